// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lets programs that write to user memory pass lockdown: whoever asks it about them looks for a
 * negative answer (kernel/trace/bpf_trace.c), and gets a positive one.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

enum lockdown_reason {
	LOCKDOWN_BPF_WRITE_USER = 1,	/* its value is the kernel's, by CO-RE */
};

SEC("fmod_ret/security_locked_down")
int unlock(__u64 *ctx)
{
	return (__u32)ctx[0] == bpf_core_enum_value(enum lockdown_reason, LOCKDOWN_BPF_WRITE_USER);
}

char LICENSE[] SEC("license") = "GPL";
