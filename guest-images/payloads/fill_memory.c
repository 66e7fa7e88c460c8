// SPDX-License-Identifier: GPL-2.0-only
/*
 * A child takes memory until the OOM killer ends it; then another child does, until this program
 * is killed. The killer may run for a kernel thread or for the handler, because they need memory at
 * that moment, too: the first child is then killed without a call of out_of_memory() of its own.
 *
 * A child has the lowest score that the OOM killer may still choose, so it is the last to be
 * killed. Its memory is a file's, which is no part of its score, cannot be reclaimed, and need not
 * be written to.
 */
#include <asm/signal.h>
#include <linux/fcntl.h>
#include <linux/prctl.h>

#include "bare.h"

#define MORE_THAN_THERE_IS (1UL << 40)

static const char score[] = "-999";

static __noreturn void fill(void)
{
	long adjustment, file;

	sys(__NR_prctl, PR_SET_PDEATHSIG, SIGKILL);
	adjustment = sys(__NR_open, "/proc/self/oom_score_adj", O_WRONLY);
	if (sys(__NR_write, adjustment, score, sizeof(score) - 1) < 0)
		leave(1);
	file = sys(__NR_memfd_create, "memory", 0);
	sys(__NR_fallocate, file, 0, 0, MORE_THAN_THERE_IS);
	leave(1);
}

int main(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	for (;;) {
		if (!sys(__NR_fork))
			fill();
		sys(__NR_wait4, -1, NULL, 0, NULL);
	}
}
