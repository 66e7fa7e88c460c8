// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gives the kernel a file, time and again: give_files FILE COUNT [TARGET]
 *
 * The file goes into a key of a keyring of its own, or is written to a target. The exit status is
 * 0, or 1 if the kernel refused it once. A target that has no room for what it finds in the file
 * has read the file.
 */
#include <linux/errno.h>
#include <linux/fcntl.h>
#include <linux/keyctl.h>

#include "bare.h"
#include "number.h"

static char given[256 << 10];

int main(int argc, char **argv, char **envp)
{
	long file, size, ring, target = 0, count, ret;

	(void)envp;
	if (argc != 3 && argc != 4)
		return 1;
	file = sys(__NR_open, argv[1], O_RDONLY);
	size = sys(__NR_read, file, given, sizeof(given));
	ring = sys(__NR_add_key, "keyring", "added", 0, 0, KEY_SPEC_PROCESS_KEYRING);
	if (argc == 4)
		target = sys(__NR_open, argv[3], O_WRONLY);
	if (size <= 0 || ring < 0 || target < 0)
		return 1;
	for (count = number(argv[2], 10); count; count--) {
		if (argc == 4)
			ret = sys(__NR_write, target, given, size);
		else
			ret = sys(__NR_add_key, "asymmetric", 0, given, size, ring);
		if (ret < 0 && ret != -ENOSPC)
			return 1;
	}
	return 0;
}
