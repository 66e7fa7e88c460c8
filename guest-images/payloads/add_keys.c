// SPDX-License-Identifier: GPL-2.0-only
/*
 * Adds the key of a certificate to a keyring of its own, time and again: add_keys FILE COUNT
 *
 * The exit status is 0, or 1 if the kernel refused it once.
 */
#include <linux/fcntl.h>
#include <linux/keyctl.h>

#include "bare.h"
#include "number.h"

static char certificate[4096];

int main(int argc, char **argv, char **envp)
{
	long file, size, ring, count;

	(void)envp;
	if (argc != 3)
		return 1;
	file = sys(__NR_open, argv[1], O_RDONLY);
	size = sys(__NR_read, file, certificate, sizeof(certificate));
	ring = sys(__NR_add_key, "keyring", "added", 0, 0, KEY_SPEC_PROCESS_KEYRING);
	if (size <= 0 || ring < 0)
		return 1;
	for (count = number(argv[2], 10); count; count--)
		if (sys(__NR_add_key, "asymmetric", 0, certificate, size, ring) < 0)
			return 1;
	return 0;
}
