// SPDX-License-Identifier: GPL-2.0-only
/*
 * Enters a Landlock domain of its own, and stops once it has shown what that changes: neither it nor
 * a child of it can open the file any more that it could open before.
 *
 * Argument: the file, which another process's memory is.
 */
#include <linux/fcntl.h>
#include <linux/landlock.h>
#include <linux/signal.h>

#include "bare.h"

static int can_open(const char *path)
{
	long file = sys(__NR_open, path, O_RDWR);

	sys(__NR_close, file);
	return file >= 0;
}

static int enter_domain(void)
{
	/* Any domain keeps its processes from tracing others. */
	struct landlock_ruleset_attr nothing = { .handled_access_fs = LANDLOCK_ACCESS_FS_MAKE_BLOCK };
	long rules = sys(__NR_landlock_create_ruleset, &nothing, sizeof(nothing.handled_access_fs), 0);

	return !sys(__NR_landlock_restrict_self, rules, 0);
}

int main(int argc, char **argv, char **envp)
{
	long status;
	int code = 0;

	(void)argc, (void)envp;
	if (!can_open(argv[1]))
		return 1;
	if (!enter_domain())
		return 2;
	if (can_open(argv[1]))
		return 3;
	status = sys(__NR_fork);
	if (!status)
		return can_open(argv[1]);
	sys(__NR_wait4, status, &code, 0, 0);
	if (code)
		return 4;
	sys(__NR_kill, sys(__NR_getpid), SIGSTOP);
	return 0;
}
