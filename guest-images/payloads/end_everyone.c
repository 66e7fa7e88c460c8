// SPDX-License-Identifier: GPL-2.0-only
/*
 * Presses a sysrq key (the argument) that may end whoever presses it, and the agent too, or without
 * one kills everybody else. So it first waits for the agent.
 */
#include <asm/signal.h>
#include <linux/fcntl.h>

#include "agent.h"

int main(int argc, char **argv, char **envp)
{
	long key = sys(__NR_open, "/proc/sysrq-trigger", O_WRONLY);

	(void)envp;
	wait_for_agent();
	if (argc < 2)
		return sys(__NR_kill, -1, SIGKILL) != 0;
	return sys(__NR_write, key, argv[1], 1) != 1;
}
