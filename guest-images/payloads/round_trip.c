// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes round trips to the self-test's handler, one after the other: round_trip COUNT
 *
 * Each is one write to the self-test's file, which has a message of 4 KiB sent and a reply of as
 * many checked. The exit status is 0, or the errno of the first that failed.
 */
#include <linux/errno.h>
#include <linux/fcntl.h>

#include "bare.h"

#define ENTRY "/sys/kernel/security/umd_selftest"
#define LENGTHS "4096 4096" /* of message and reply */

int main(int argc, char **argv, char **envp)
{
	const char *digit = argc > 1 ? argv[1] : "";
	long entry = sys(__NR_open, ENTRY, O_WRONLY), count = 0, size = sizeof(LENGTHS) - 1, done;

	(void)envp;
	for (; *digit; digit++)
		count = 10 * count + *digit - '0';
	while (count--) {
		done = sys(__NR_write, entry, LENGTHS, size);
		if (done != size)
			return done < 0 ? -done : EIO;
	}
	return 0;
}
