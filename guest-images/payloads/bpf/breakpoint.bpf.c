// SPDX-License-Identifier: GPL-2.0-only
/* Overwrites memory of a process when it comes to one exact instruction: a hardware breakpoint. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 tgid;
const volatile __u64 breakpoint;	/* the loader sets it */
const volatile __u64 address;
const volatile __u8 bytes[32];

__u32 hits;

SEC("perf_event")
int on_breakpoint(void *ctx)
{
	(void)ctx;
	/* Another program has other code at the same address. */
	if (bpf_get_current_pid_tgid() >> 32 != tgid)
		return 0;
	if (!bpf_probe_write_user((void *)address, (const void *)bytes, sizeof(bytes)))
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
