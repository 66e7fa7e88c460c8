// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kills the process that becomes the handler: when it no longer ignores signals, as the kernel's
 * threads do, and is not yet marked. Guesses the pids of what the kernel starts.
 *
 * It has the second CPU for itself: what starts takes no break (bpf/dawdle_setup.bpf.c has it take
 * its time).
 *
 * Asked (start.h), it says 'k' if it killed one.
 */
#include <linux/signal.h>

#include "start.h"

#define PATIENCE 100 /* milliseconds */
#define GUESSES 3

/* Kernel threads of that name take no notice. */
static int dies(long pid)
{
	long comm, deadline = now() + PATIENCE;
	int killed = 0;

	while (is_named(pid, "kworker/") && now() < deadline)
		killed |= !sys(__NR_kill, pid, SIGKILL);
	comm = open_of(pid, "comm", O_RDONLY);
	sys(__NR_close, comm);
	return killed && comm < 0;
}

static char catch(long loadavg)
{
	long before = last_pid(loadavg), pid;

	while (!is_asked(0)) {
		long last = last_pid(loadavg);

		for (pid = before + 1; pid <= last + GUESSES; pid++) {
			if (dies(pid))
				return 'k';
		}
	}
	return '-';
}

int main(int argc, char **argv, char **envp)
{
	long loadavg = sys(__NR_open, "/proc/loadavg", O_RDONLY);
	char came;

	(void)argc, (void)argv, (void)envp;
	take_second_cpu();
	do {
		came = catch(loadavg);
	} while (answer_question(came) && came == '-');
	return 0;
}
