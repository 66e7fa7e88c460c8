// SPDX-License-Identifier: GPL-2.0-only
/*
 * Orphans the process group that it was started in, while one of it is stopped: the kernel then
 * hangs the whole group up, this program too.
 */
#include <asm/signal.h>
#include <linux/wait.h>

#include "bare.h"

static __noreturn void stop(void)
{
	sys(__NR_kill, sys(__NR_getpid), SIGSTOP);
	leave(0);
}

/*
 * The child stays in the group and is, once this has left for a group of its own, the only one
 * there with a parent in another; then it ends.
 */
static __noreturn void leave_behind(void)
{
	int ends[2];
	char nothing;

	sys(__NR_pipe, ends);
	if (!sys(__NR_fork)) {
		sys(__NR_close, ends[1]);
		sys(__NR_read, ends[0], &nothing, 1);
		leave(0);
	}
	sys(__NR_setpgid, 0, 0);
	sys(__NR_close, ends[1]);
	sys(__NR_wait4, -1, NULL, 0, NULL);
	leave(0);
}

int main(int argc, char **argv, char **envp)
{
	(void)argc, (void)argv, (void)envp;
	if (!sys(__NR_fork))
		stop();
	sys(__NR_wait4, -1, NULL, WUNTRACED, NULL);
	if (!sys(__NR_fork))
		leave_behind();
	sys(__NR_wait4, -1, NULL, 0, NULL);
	return 1;
}
