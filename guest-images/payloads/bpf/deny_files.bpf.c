// SPDX-License-Identifier: GPL-2.0-only
/* A security policy of root's own: a process of this name reads and writes nothing, no pipe either. */
#include <asm/errno.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

const volatile char whom[16];

__u32 hits;

SEC("lsm/file_permission")
int BPF_PROG(deny_files)
{
	(void)ctx;
	char comm[sizeof(whom)] = {};

	bpf_get_current_comm(comm, sizeof(comm));
	if (bpf_strncmp(comm, sizeof(comm), (const char *)whom))
		return 0;
	__sync_fetch_and_add(&hits, 1);
	return -EPERM;
}

char LICENSE[] SEC("license") = "GPL";
