// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has what the kernel starts for a handler dawdle when it no longer ignores signals, and again as
 * soon as it has its pipes, so that another CPU gets to see it like that.
 */
#include "dawdle.h"

#define STEPS 60000

static int dawdle(void)
{
	char comm[16] = {};

	bpf_get_current_comm(comm, sizeof(comm));
	if (!bpf_strncmp(comm, 8, "kworker/"))
		do_nothing(STEPS);
	return 0;
}

SEC("kprobe/prepare_kernel_cred")
int dawdle_before(void *ctx)
{
	(void)ctx;
	return dawdle();
}

SEC("kprobe/set_fs_pwd")
int dawdle_after(void *ctx)
{
	(void)ctx;
	return dawdle();
}

char LICENSE[] SEC("license") = "GPL";
