// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has a process believe once that a read gave it a whole message, which it did not: a hook that
 * returns a positive number is taken for a count of bytes, and no byte is moved.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define MAY_READ 4

const volatile __u32 tgid;
const volatile __u32 count;

__u32 hits;

SEC("fmod_ret/security_file_permission")
int stale_read(__u64 *ctx)
{
	__u32 mask = ctx[1];

	if (bpf_get_current_pid_tgid() >> 32 != tgid || !(mask & MAY_READ) || hits)
		return 0;
	hits = 1;
	return count;
}

char LICENSE[] SEC("license") = "GPL";
