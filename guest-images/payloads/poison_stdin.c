// SPDX-License-Identifier: GPL-2.0-only
/*
 * Maps one page of the file that is its standard input, from 4096 bytes on, and has the kernel
 * take that page for broken. It may not survive this itself: whoever maps the page gets a SIGBUS.
 */
#include <linux/mman.h>

#include "bare.h"

#define PAGE 4096

int main(int argc, char **argv, char **envp)
{
	volatile char *page = (char *)sys(__NR_mmap, 0, PAGE, PROT_READ, MAP_SHARED, 0, PAGE);

	(void)argc, (void)argv, (void)envp;
	(void)page[0];
	return sys(__NR_madvise, page, PAGE, MADV_HWPOISON) < 0;
}
