/* SPDX-License-Identifier: GPL-2.0-only */
/* A loop that does nothing, of more steps than the verifier would follow. */
#ifndef DAWDLE_H
#define DAWDLE_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static long empty_step(__u32 number, void *nothing)
{
	(void)number, (void)nothing;
	return 0;
}

static inline void do_nothing(__u32 steps)
{
	bpf_loop(steps, empty_step, NULL, 0);
}

#endif
