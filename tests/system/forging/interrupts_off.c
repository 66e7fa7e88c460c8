// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeps the guest's CPU, with interrupts off, while the handler is asked. To be loaded by a process
 * with a real-time priority below the witness's: it runs when the witness waits for the handler.
 */
#include "module.h"

#define STALL_NS	1500000000LL

/* The witness's struct semaphore: it is 0 while a request is under way. */
extern struct {
	unsigned int lock;
	unsigned int count;
} asking;

long long ktime_get(void);
int __cond_resched(void);

int init_module(void)
{
	long long end;

	while (*(volatile unsigned int *)&asking.count)
		__cond_resched();
	asm volatile("cli" : : : "memory");
	for (end = ktime_get() + STALL_NS; ktime_get() < end;)
		;
	asm volatile("sti" : : : "memory");
	return 0;
}

void cleanup_module(void)
{
}
