// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has read(2) of a process return once, without reading, that it read a whole message: every
 * system call may have errors injected, and what is injected need not be an error.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 tgid;
const volatile __u32 count;

__u32 hits;

SEC("fmod_ret/__x64_sys_read")
int stale_call(void *ctx)
{
	(void)ctx;
	if (bpf_get_current_pid_tgid() >> 32 != tgid || hits)
		return 0;
	hits = 1;
	return count;
}

char LICENSE[] SEC("license") = "GPL";
