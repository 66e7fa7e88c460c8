/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What payloads need that look out for the process which becomes the handler.
 *
 * Such a payload is asked, by a byte on its standard input, whether it has caught a start. While it
 * has not, it says '-' when it is asked and goes on. It never speaks first: so each answer tells of
 * all starts up to the question, however long they took.
 */
#ifndef START_H
#define START_H

#include <stdbool.h>

#include <linux/fcntl.h>
#include <linux/poll.h>
#include <linux/sched.h>

#include "clock.h"
#include "process.h"

/* For good: whoever else is there runs on the first. */
static inline void take_second_cpu(void)
{
	unsigned long second = 1 << 1;
	int priority = 1;

	sys(__NR_sched_setaffinity, 0, sizeof(second), &second);
	sys(__NR_sched_setscheduler, 0, SCHED_FIFO, &priority);
}

/* Within so many milliseconds. Also if nobody is there any more who could ask. */
static inline bool is_asked(int milliseconds)
{
	struct pollfd input = { .events = POLLIN };

	return sys(__NR_poll, &input, 1, milliseconds) > 0;
}

/* Returns false if nobody is there any more who could ask. */
static inline bool wait_for_question(void)
{
	char asked;

	return sys(__NR_read, 0, &asked, 1) == 1;
}

static inline void say(char came)
{
	sys(__NR_write, 1, &came, 1);
}

static inline bool answer_question(char came)
{
	if (!wait_for_question())
		return false;
	say(came);
	return true;
}

/* The last pid given, which /proc/loadavg, open as this descriptor, ends in. */
static inline long last_pid(long loadavg)
{
	long size = sys(__NR_pread64, loadavg, text, sizeof(text), 0), pid = 0, i = size - 1;

	while (i > 0 && text[i - 1] != ' ')
		i--;
	for (; i >= 0 && i < size - 1; i++)
		pid = pid * 10 + text[i] - '0';
	return pid;
}

/* Whether a process's name begins like this. */
static inline bool is_named(long pid, const char *name)
{
	read_of(pid, "comm");
	return begins(text, name);
}

#endif
