// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has a worker of the kernel dawdle when it has forked a helper, so that a process that wakes up
 * meanwhile runs before the helper does, on a single CPU as well.
 */
#include "dawdle.h"

#define STEPS 200000

SEC("kretprobe/user_mode_thread")
int dawdle(void *ctx)
{
	(void)ctx;
	do_nothing(STEPS);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
