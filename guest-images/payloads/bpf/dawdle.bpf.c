// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has a worker of the kernel dawdle when it has forked a helper, so that a process that wakes up
 * meanwhile runs before the helper does, on a single CPU as well.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define STEPS 200000

static long step(__u32 number, void *nothing)
{
	(void)number, (void)nothing;
	return 0;
}

SEC("kretprobe/user_mode_thread")
int dawdle(void *ctx)
{
	(void)ctx;
	bpf_loop(STEPS, step, NULL, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
