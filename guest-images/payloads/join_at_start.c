// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves the process that the kernel starts next into a cgroup (the argument: its cgroup.procs),
 * before that has executed anything. Then it ends.
 *
 * It has a real-time policy and sleeps as shortly as it can: on a single CPU it then runs in
 * between the fork and what was forked, if the fork takes long enough (bpf/dawdle.bpf.c).
 */
#include <linux/fcntl.h>
#include <linux/sched.h>
#include <linux/time_types.h>

#include "bare.h"

#define SIZE 64

static const struct __kernel_timespec shortly = { .tv_nsec = 1000 };

/* Where the last pid given stands in @text, which /proc/loadavg ends in. */
static long read_last_pid(long loadavg, char text[SIZE], long *size)
{
	long at;

	*size = sys(__NR_pread64, loadavg, text, SIZE, 0);
	at = *size - 1;
	while (at > 0 && text[at - 1] != ' ')
		at--;
	return at;
}

int main(int argc, char **argv, char **envp)
{
	long at, size, before, loadavg = sys(__NR_open, "/proc/loadavg", O_RDONLY);
	long procs = sys(__NR_open, argv[1], O_WRONLY);
	int priority = 1;
	char text[SIZE];

	(void)argc, (void)envp;
	if (procs < 0 || sys(__NR_sched_setscheduler, 0, SCHED_FIFO, &priority))
		return 1;
	/* The last pid so far is this process's own. */
	before = sys(__NR_getpid);
	for (;;) {
		long i, pid = 0;

		sys(__NR_nanosleep, &shortly, NULL);
		at = read_last_pid(loadavg, text, &size);
		for (i = at; i < size - 1; i++)
			pid = pid * 10 + text[i] - '0';
		/* The kernel's own threads are not let go. */
		if (pid != before && sys(__NR_write, procs, text + at, size - at) > 0)
			return 0;
		before = pid;
	}
}
