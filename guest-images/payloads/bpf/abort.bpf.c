// SPDX-License-Identifier: GPL-2.0-only
/* Has a process abort, with a core dump, as it enters a system call: by a signal from itself. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define SIGABRT 6

const volatile __u32 tgid;

__u32 hits;

SEC("raw_tp/sys_enter")
int abort_it(void *ctx)
{
	(void)ctx;
	if (bpf_get_current_pid_tgid() >> 32 == tgid && !bpf_send_signal(SIGABRT))
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
