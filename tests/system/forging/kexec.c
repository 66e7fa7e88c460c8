// SPDX-License-Identifier: GPL-2.0-only
/* Starts by kexec what was loaded, when the attack that made the file /enough is over. */
#include <linux/reboot.h>
#include <linux/time_types.h>

#include "bare.h"

#define MILLISECOND 1000000

int main(int argc, char **argv, char **envp)
{
	struct __kernel_timespec wait = { .tv_nsec = 20 * MILLISECOND };

	(void)argc;
	(void)argv;
	(void)envp;
	while (sys(__NR_access, "/enough", 0))
		sys(__NR_nanosleep, &wait, 0);
	sys(__NR_nanosleep, &wait, 0);
	return sys(__NR_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		   LINUX_REBOOT_CMD_KEXEC, 0);
}
