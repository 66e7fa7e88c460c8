// SPDX-License-Identifier: GPL-2.0-only
/* Has the allocations of threads of this name fail. */
#include <asm/errno.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile char whom[16];

__u32 hits;

SEC("fmod_ret/should_failslab")
int fail_slab(void *ctx)
{
	char comm[sizeof(whom)] = {};

	(void)ctx;
	bpf_get_current_comm(comm, sizeof(comm));
	if (bpf_strncmp(comm, sizeof(comm), (const char *)whom))
		return 0;
	__sync_fetch_and_add(&hits, 1);
	return -ENOMEM;
}

char LICENSE[] SEC("license") = "GPL";
