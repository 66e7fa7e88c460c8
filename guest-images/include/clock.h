/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CLOCK_H
#define CLOCK_H

#include <linux/time_types.h>

#include "bare.h"

/* In milliseconds. */
static inline long now(void)
{
	struct __kernel_timespec time;

	sys(__NR_clock_gettime, 1, &time); /* CLOCK_MONOTONIC */
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

#endif
