// SPDX-License-Identifier: GPL-2.0-only
/* Takes one page of memory after the other, up to 120 MiB, and keeps them. */
#include <linux/mman.h>

#include "bare.h"

#define SIZE (120UL << 20)
#define PAGE 4096UL

int main(int argc, char **argv, char **envp)
{
	long at = sys(__NR_mmap, 0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long done;

	(void)argc, (void)argv, (void)envp;
	if (at < 0)
		return 1;
	sys(__NR_madvise, at, SIZE, MADV_NOHUGEPAGE);
	for (done = 0; done < SIZE; done += PAGE)
		*(volatile char *)(at + done) = 1;
	for (;;)
		sys(__NR_pause);
}
