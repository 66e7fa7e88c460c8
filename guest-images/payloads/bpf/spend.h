/* SPDX-License-Identifier: GPL-2.0-only */
/* Uses up CPU time: that of the process whose system call the program observes. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define STEPS (1 << 23)

const volatile __u64 nanoseconds;

__u32 hits;
static __u64 end;

static long spend_step(__u32 number, void *nothing)
{
	(void)number, (void)nothing;
	return bpf_ktime_get_ns() > end;
}

static inline void spend(void)
{
	hits = 1;
	end = bpf_ktime_get_ns() + nanoseconds;
	bpf_loop(STEPS, spend_step, NULL, 0);
}
