// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waits until the FIFO /tmp/gate has a byte for it, then ends: a usermode helper that takes as long
 * as root likes.
 */
#include <linux/fcntl.h>

#include "bare.h"

int main(int argc, char **argv, char **envp)
{
	char byte;

	(void)argc, (void)argv, (void)envp;
	sys(__NR_read, sys(__NR_open, "/tmp/gate", O_RDWR), &byte, 1);
	return 0;
}
