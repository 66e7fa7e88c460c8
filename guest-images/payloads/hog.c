// SPDX-License-Identifier: GPL-2.0-only
/*
 * Takes the CPU with a real-time policy, the lowest priority there is in it, and computes for
 * TURN: what has an ordinary policy does not run meanwhile.
 */
#include <linux/sched.h>

#include "bare.h"
#include "clock.h"

#define TURN 1500 /* milliseconds */

int main(int argc, char **argv, char **envp)
{
	int priority = 1;
	long end;

	(void)argc, (void)argv, (void)envp;
	if (sys(__NR_sched_setscheduler, 0, SCHED_FIFO, &priority))
		return 1;
	for (end = now() + TURN; now() < end;)
		;
	return 0;
}
