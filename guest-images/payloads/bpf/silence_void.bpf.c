// SPDX-License-Identifier: GPL-2.0-only
/*
 * Silences hooks that return nothing, where a security module could mark what is executed: all
 * modules behind a hook are left out when a program that modifies its return value has one.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

__u32 hits;

static __always_inline int silence(void)
{
	__sync_fetch_and_add(&hits, 1);
	return 1;
}

SEC("fmod_ret/security_bprm_committing_creds")
int committing_creds(void *ctx)
{
	(void)ctx;
	return silence();
}

SEC("fmod_ret/security_bprm_committed_creds")
int committed_creds(void *ctx)
{
	(void)ctx;
	return silence();
}

SEC("fmod_ret/security_task_to_inode")
int task_to_inode(void *ctx)
{
	(void)ctx;
	return silence();
}

char LICENSE[] SEC("license") = "GPL";
