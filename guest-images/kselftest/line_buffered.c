// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linked into each selftest: its output goes out line by line, as the kernel's runner has it
 * done by stdbuf. What a buffer holds at a fork would be written by parent and child.
 */
#include <stdio.h>

__attribute__((constructor)) static void buffer_by_line(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
}
