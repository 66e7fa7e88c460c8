// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has the kernel's unbound workers made anew, on the CPUs given as a mask: each kind begins with one.
 * In the same moment it gives kthreadd a deadline, with which that can fork no second one. In one
 * go: whoever wants a worker in between has one more made.
 */
#include <linux/fcntl.h>
#include <linux/sched.h>
#include <linux/sched/types.h>

#include "bare.h"

#define KTHREADD	2
#define WORKERS_CPUS	"/sys/devices/virtual/workqueue/cpumask"
#define MILLISECOND	1000000

int main(int argc, char **argv, char **envp)
{
	struct sched_attr deadline = {
		.size = sizeof(deadline),
		.sched_policy = SCHED_DEADLINE,
		.sched_runtime = 5 * MILLISECOND,
		.sched_deadline = 100 * MILLISECOND,
		.sched_period = 100 * MILLISECOND,
	};
	long file = sys(__NR_open, WORKERS_CPUS, O_WRONLY);
	int priority = 1;

	(void)envp;
	if (argc < 2 || sys(__NR_sched_setscheduler, 0, SCHED_FIFO, &priority))
		return 1;
	if (sys(__NR_write, file, argv[1], 1) != 1)
		return 2;
	return sys(__NR_sched_setattr, KTHREADD, &deadline, 0) ? 3 : 0;
}
