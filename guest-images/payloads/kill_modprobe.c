// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends SIGKILL to each process called modprobe that starts after this payload, until the payload
 * is asked (start.h). The answer is 'k' if it has sent a signal.
 *
 * The payload looks each millisecond, which is more often than a load takes, and guesses the pids
 * of what the kernel starts.
 */
#include <linux/signal.h>

#include "start.h"

#define GUESSES 3

static const int priority = 1;

static bool is_asked_soon(void)
{
	struct pollfd input = { .events = POLLIN };

	return sys(__NR_poll, &input, 1, 1) > 0;
}

int main(int argc, char **argv, char **envp)
{
	long loadavg = sys(__NR_open, "/proc/loadavg", O_RDONLY);
	long first = last_pid(loadavg) + 1, pid;
	char came = '-';

	(void)argc, (void)argv, (void)envp;
	sys(__NR_sched_setscheduler, 0, SCHED_FIFO, &priority);
	while (!is_asked_soon()) {
		for (pid = first; pid <= last_pid(loadavg) + GUESSES; pid++) {
			if (is_named(pid, "modprobe") && !sys(__NR_kill, pid, SIGKILL))
				came = 'k';
		}
	}
	answer_question(came);
	return 0;
}
