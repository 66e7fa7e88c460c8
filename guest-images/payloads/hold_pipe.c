// SPDX-License-Identifier: GPL-2.0-only
/*
 * Splices from the console, where nobody types, into its standard output, a pipe: that holds the
 * pipe's lock, on which whoever reads or writes it waits, until an alarm ends the wait.
 */
#include <linux/fcntl.h>

#include "bare.h"

#define SECONDS 3

int main(int argc, char **argv, char **envp)
{
	long silent = sys(__NR_open, "/dev/ttyS0", O_RDONLY | O_NOCTTY);

	(void)argc, (void)argv, (void)envp;
	sys(__NR_alarm, SECONDS);
	return sys(__NR_splice, silent, NULL, 1, NULL, 1, 0) != 1;
}
