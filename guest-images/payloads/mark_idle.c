// SPDX-License-Identifier: GPL-2.0-only
/*
 * mark_idle FRAME...: marks page frames idle, one after the other, without end. The kernel locks a frame
 * and all its mappings meanwhile. A byte on standard output says that all have been marked once.
 */
#include <linux/fcntl.h>

#include "bare.h"
#include "number.h"

#define BITMAP	"/sys/kernel/mm/page_idle/bitmap"
#define BITS	64

static void mark(long bitmap, unsigned long frame)
{
	unsigned long bit = 1UL << frame % BITS;

	sys(__NR_pwrite64, bitmap, &bit, sizeof(bit), frame / BITS * sizeof(bit));
}

int main(int argc, char **argv, char **envp)
{
	long bitmap = sys(__NR_open, BITMAP, O_WRONLY);
	int i;

	(void)envp;
	if (bitmap < 0)
		return 1;
	for (i = 1; i < argc; i++)
		mark(bitmap, number(argv[i], 10));
	sys(__NR_write, 1, "!", 1);
	for (i = 1;; i = i + 1 < argc ? i + 1 : 1)
		mark(bitmap, number(argv[i], 10));
}
