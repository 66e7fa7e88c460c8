// SPDX-License-Identifier: GPL-2.0-only
/* A security policy of root's own: the kernel asks for no module. */
#include <asm/errno.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

__u32 hits;

SEC("lsm/kernel_module_request")
int BPF_PROG(deny_modules)
{
	(void)ctx;
	__sync_fetch_and_add(&hits, 1);
	return -EPERM;
}

char LICENSE[] SEC("license") = "GPL";
