// SPDX-License-Identifier: GPL-2.0-only
/*
 * Overwrites memory of a process as it enters a system call: in its own context, with no check
 * of who asked for it.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 tgid;
const volatile __u64 address;
const volatile __u8 bytes[32];

__u32 hits;

SEC("raw_tp/sys_enter")
int write_user(void *ctx)
{
	(void)ctx;
	if (bpf_get_current_pid_tgid() >> 32 != tgid)
		return 0;
	if (!bpf_probe_write_user((void *)address, (const void *)bytes, sizeof(bytes)))
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
