// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends SIGKILL to each process called modprobe that starts after this payload, and to those whose
 * name it may not read. Asked (start.h), the payload answers 'k' if it has sent such a signal since
 * the last question, and 'r' if the signal was refused.
 *
 * The payload looks once a millisecond: a load takes longer. It guesses the pids of the processes
 * that the kernel starts.
 */
#include <asm/errno.h>
#include <linux/signal.h>

#include "start.h"

#define GUESSES 3

static const int priority = 1;

/* Or may be one: its name is not to be read. */
static bool is_modprobe(long pid)
{
	long size = read_of(pid, "comm");

	return begins(text, "modprobe") || size == -EACCES || size == -EPERM;
}

static char end(long pid)
{
	return sys(__NR_kill, pid, SIGKILL) ? 'r' : 'k';
}

int main(int argc, char **argv, char **envp)
{
	long loadavg = sys(__NR_open, "/proc/loadavg", O_RDONLY);
	long first = last_pid(loadavg) + 1, pid;
	char came;

	(void)argc, (void)argv, (void)envp;
	sys(__NR_sched_setscheduler, 0, SCHED_FIFO, &priority);
	do {
		came = '-';
		while (!is_asked(1)) {
			for (pid = first; pid <= last_pid(loadavg) + GUESSES; pid++) {
				if (is_modprobe(pid))
					came = end(pid);
			}
		}
	} while (answer_question(came));
	return 0;
}
