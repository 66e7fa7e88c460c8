// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes memory until it is killed for it. That is to happen after everybody else has been: its
 * score is the lowest with which one may still be. What it takes is a file's, which is no part
 * of its score, cannot be reclaimed, and need not be written to.
 */
#include <linux/fcntl.h>

#include "bare.h"

#define MORE_THAN_THERE_IS (1UL << 40)

static const char score[] = "-999";

int main(int argc, char **argv, char **envp)
{
	long adjustment = sys(__NR_open, "/proc/self/oom_score_adj", O_WRONLY);
	long file = sys(__NR_memfd_create, "memory", 0);

	(void)argc, (void)argv, (void)envp;
	if (sys(__NR_write, adjustment, score, sizeof(score) - 1) < 0)
		return 1;
	sys(__NR_fallocate, file, 0, 0, MORE_THAN_THERE_IS);
	return 1;
}
