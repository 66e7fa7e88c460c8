// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeps what comes on its standard input in a file (the argument), which has its name only once
 * it is whole.
 */
#include <linux/fcntl.h>

#include "bare.h"

#define PART "/tmp/keep_stdin.part"

static char data[65536];

int main(int argc, char **argv, char **envp)
{
	long size, file = sys(__NR_open, PART, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	(void)argc, (void)envp;
	while ((size = sys(__NR_read, 0, data, sizeof(data))) > 0)
		sys(__NR_write, file, data, size);
	return size < 0 || sys(__NR_rename, PART, argv[1]) < 0;
}
