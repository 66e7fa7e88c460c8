// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gives the kernel files, time and again: give_files ARCHIVE COUNT [TARGET]
 *
 * In the archive, each file has its length before it (32 bits). The program makes a key of the file
 * in a new keyring, or writes the file to a target, COUNT times. For each file, it writes 32 bits to
 * standard output: 0, or the errno of the first refusal. A target that has no room for the results
 * has read the file (ENOSPC).
 */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/keyctl.h>

#include "bare.h"
#include "number.h"

static char given[1 << 20];

int main(int argc, char **argv, char **envp)
{
	long archive, size, ring, target = 0, at, ret;
	unsigned int length;
	int said;

	(void)envp;
	if (argc != 3 && argc != 4)
		return 1;
	archive = sys(__NR_open, argv[1], O_RDONLY);
	size = sys(__NR_read, archive, given, sizeof(given));
	ring = sys(__NR_add_key, "keyring", "added", 0, 0, KEY_SPEC_PROCESS_KEYRING);
	if (argc == 4)
		target = sys(__NR_open, argv[3], O_WRONLY);
	if (size <= 0 || ring < 0 || target < 0)
		return 1;
	for (at = 0; at < size; at += sizeof(length) + length) {
		length = *(unsigned int *)(given + at);
		said = 0;
		for (long count = number(argv[2], 10); count; count--) {
			void *file = given + at + sizeof(length);

			if (argc == 4)
				ret = sys(__NR_write, target, file, length);
			else
				ret = sys(__NR_add_key, "asymmetric", 0, file, length, ring);
			if (ret < 0 && ret != -ENOSPC && !said)
				said = -ret;
		}
		if (sys(__NR_write, 1, &said, sizeof(said)) != sizeof(said))
			return 1;
	}
	return 0;
}
