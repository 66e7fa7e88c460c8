// SPDX-License-Identifier: GPL-2.0-only
/* As stale_call.bpf.c, by way of a kprobe that overrides what the probed function returns. */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 tgid;
const volatile __u32 count;

__u32 hits;

SEC("kprobe/__x64_sys_read")
int override_return(struct pt_regs *regs)
{
	if (bpf_get_current_pid_tgid() >> 32 != tgid || hits)
		return 0;
	hits = 1;
	bpf_override_return(regs, count);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
