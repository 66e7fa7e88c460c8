// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has the memory of a process (the argument: its pid) be reaped as soon as it is being killed. A child asks for
 * that without end. When it no longer gets an answer, this process gives it no more time. The child's pid
 * goes to standard output.
 */
#include <asm-generic/errno-base.h>
#include <linux/mman.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <linux/time_types.h>

#include "bare.h"
#include "number.h"

#define BOTH	(PROT_READ | PROT_WRITE)
#define PERIOD	100000000000UL
#define RUNTIME	10000UL

static const struct __kernel_timespec shortly = { .tv_nsec = 10000000 };

static void reap(long pidfd, volatile unsigned long *calls)
{
	while (sys(__NR_process_mrelease, pidfd, 0) == -EINVAL)
		++*calls;
	/* It is done, or there is nothing to be reaped. */
	for (;;)
		sys(__NR_pause);
}

int main(int argc, char **argv, char **envp)
{
	struct sched_attr once = {
		.size = sizeof(once), .sched_policy = SCHED_DEADLINE,
		.sched_runtime = RUNTIME, .sched_deadline = PERIOD, .sched_period = PERIOD,
	};
	long pidfd = sys(__NR_pidfd_open, number(argv[1], 10), 0);
	volatile unsigned long *calls = (void *)sys(__NR_mmap, 0, 4096, BOTH,
						    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long before = -1UL;
	int child;

	(void)argc, (void)envp;
	if (pidfd < 0)
		return 1;
	child = sys(__NR_fork);
	if (!child)
		reap(pidfd, calls);
	sys(__NR_write, 1, &child, sizeof(child));
	for (;;) {
		sys(__NR_nanosleep, &shortly, NULL);
		if (*calls == before)
			return !!sys(__NR_sched_setattr, child, &once, 0);
		before = *calls;
	}
}
