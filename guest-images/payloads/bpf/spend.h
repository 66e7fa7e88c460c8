/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Uses up the budget of SCHED_DEADLINE of the process whose system call the program observes: it goes on until
 * the scheduler has noticed, so that the next place where the process may give the CPU away is its last.
 */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define STEPS (1 << 23) /* the most of bpf_loop() */
#define ROUNDS 64
#define PATIENCE 10000000000ULL /* nanoseconds */

struct sched_dl_entity {
	unsigned int dl_throttled : 1;
} __attribute__((preserve_access_index));

/* Programs that include this file have a task_struct of their own. */
struct task_struct___throttled {
	struct sched_dl_entity dl;
} __attribute__((preserve_access_index));

__u32 hits;
static __u64 end;

static long spend_step(__u32 number, void *nothing)
{
	struct task_struct___throttled *task = (void *)bpf_get_current_task();

	(void)number, (void)nothing;
	return BPF_CORE_READ_BITFIELD_PROBED(task, dl.dl_throttled) || bpf_ktime_get_ns() > end;
}

static long spend_round(__u32 number, void *nothing)
{
	(void)number, (void)nothing;
	return bpf_loop(STEPS, spend_step, NULL, 0) < STEPS;
}

static inline void spend(void)
{
	hits = 1;
	end = bpf_ktime_get_ns() + PATIENCE;
	bpf_loop(ROUNDS, spend_round, NULL, 0);
}
