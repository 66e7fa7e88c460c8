// SPDX-License-Identifier: GPL-2.0-only
/*
 * Uses up all the CPU time that it is given: in a session of its own, as autogroup has those of one
 * session share what one of them is given.
 */
#include "bare.h"

int main(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	if (sys(__NR_setsid) < 0)
		return 1;
	for (;;)
		__asm__ volatile("");
}
