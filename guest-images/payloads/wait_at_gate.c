// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does nothing until somebody opens the FIFO /tmp/gate to write, then leaves: a helper of the
 * kernel's that takes as long as root likes.
 */
#include <linux/fcntl.h>

#include "bare.h"

int main(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	sys(__NR_open, "/tmp/gate", O_RDONLY);
	return 0;
}
