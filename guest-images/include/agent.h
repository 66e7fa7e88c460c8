/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What payloads need that end or freeze the agent, or turn back the time of the machine: the agent
 * first says all it has to, until it waits for the next request.
 */
#ifndef AGENT_H
#define AGENT_H

#include <linux/time_types.h>

#include "process.h"

/* Its system call, and the first argument of that: read, from the virtio port or from sshd. */
static const char * const waits[] = { "0 0x384 ", "0 0x0 " };
static const struct __kernel_timespec shortly = { .tv_nsec = 1000000 };
/* What sshd takes to pass it on. */
static const struct __kernel_timespec meanwhile = { .tv_nsec = 100000000 };

/* Yama may let nobody read what a process waits for, but that it sleeps is no secret. */
static inline bool agent_waits(long pid)
{
	size_t i;

	if (read_of(pid, "syscall") < 0) {
		read_of(pid, "stat");
		for (i = 0; text[i] && !begins(text + i, ") S "); i++)
			;
		return text[i];
	}
	for (i = 0; i < ARRAY_SIZE(waits); i++) {
		if (begins(text, waits[i]))
			return true;
	}
	return false;
}

/* The agent has started the calling process. */
static inline void wait_for_agent(void)
{
	long agent = sys(__NR_getppid);

	while (!agent_waits(agent))
		sys(__NR_nanosleep, &shortly, NULL);
	sys(__NR_nanosleep, &meanwhile, NULL);
}

#endif
