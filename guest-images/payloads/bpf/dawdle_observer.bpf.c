// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has a task dawdle where it gives the CPU away, in a program that only observes. The steps of the two
 * loops would last for hours: here they end when the time is up.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define STEPS (1 << 23)

const volatile __u32 tgid;
const volatile __u64 nanoseconds;

__u32 hits;
static __u64 end;

static long step(__u32 number, void *nothing)
{
	(void)number, (void)nothing;
	return bpf_ktime_get_ns() > end;
}

static long many_steps(__u32 number, void *nothing)
{
	(void)number, (void)nothing;
	bpf_loop(STEPS, step, NULL, 0);
	return bpf_ktime_get_ns() > end;
}

SEC("fentry/schedule")
int dawdle_observer(void *ctx)
{
	(void)ctx;
	if (bpf_get_current_pid_tgid() >> 32 != tgid || hits)
		return 0;
	hits = 1;
	end = bpf_ktime_get_ns() + nanoseconds;
	bpf_loop(STEPS, many_steps, NULL, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
