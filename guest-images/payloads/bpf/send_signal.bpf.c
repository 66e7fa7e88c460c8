// SPDX-License-Identifier: GPL-2.0-only
/* Has a process send itself a signal as it enters a system call: no hook is asked of that. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 tgid;
const volatile __u32 number;

__u32 hits;

SEC("raw_tp/sys_enter")
int send_signal(void *ctx)
{
	(void)ctx;
	if (bpf_get_current_pid_tgid() >> 32 == tgid && !bpf_send_signal(number))
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
