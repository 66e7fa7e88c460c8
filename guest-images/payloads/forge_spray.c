// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fills 104 MiB with copies of what /tally holds, one at the beginning of each page, and
 * keeps them. /sprayed appears when they are all there.
 */
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "bare.h"

#define SPRAY (104UL << 20)
#define PAGE 4096UL

static unsigned char tally[16 * PAGE];

int main(int argc, char **argv, char **envp)
{
	long fd = sys(__NR_open, "/tally", O_RDONLY);
	long at, size = sys(__NR_read, fd, tally, sizeof(tally));
	unsigned long done, stride = (size + PAGE - 1) & -PAGE;

	(void)argc, (void)argv, (void)envp;
	if (size <= 0)
		return 1;
	at = sys(__NR_mmap, 0, SPRAY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at < 0)
		return 1;
	for (done = 0; done + stride <= SPRAY; done += stride)
		memcpy((void *)(at + done), tally, size);
	sys(__NR_open, "/sprayed", O_WRONLY | O_CREAT, 0600);
	for (;;)
		sys(__NR_pause);
}
