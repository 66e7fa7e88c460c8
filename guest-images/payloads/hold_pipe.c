// SPDX-License-Identifier: GPL-2.0-only
/*
 * hold_pipe [SECONDS]: splices from the console, where nobody types, into its standard output, a pipe.
 * That holds the pipe's lock. A task that reads, writes or closes the pipe waits until an alarm ends the
 * splice: after SECONDS, or after 3 s without the argument.
 */
#include <linux/fcntl.h>

#include "bare.h"
#include "number.h"

#define SECONDS 3

int main(int argc, char **argv, char **envp)
{
	long silent = sys(__NR_open, "/dev/ttyS0", O_RDONLY | O_NOCTTY);

	(void)envp;
	sys(__NR_alarm, argc > 1 ? number(argv[1], 10) : SECONDS);
	return sys(__NR_splice, silent, NULL, 1, NULL, 1, 0) != 1;
}
