// SPDX-License-Identifier: GPL-2.0-only
/* A security policy of root's own: a program of this name is not executed. */
#include <asm/errno.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* What is asked of it, as BTF has it. */
struct linux_binprm {
	const char *filename;
} __attribute__((preserve_access_index));

const volatile char whom[16];

__u32 hits;

SEC("lsm/bprm_check_security")
int BPF_PROG(deny_exec, struct linux_binprm *bprm)
{
	char file[sizeof(whom)] = {};

	(void)ctx;
	bpf_probe_read_kernel_str(file, sizeof(file), bprm->filename);
	if (bpf_strncmp(file, sizeof(file), (const char *)whom))
		return 0;
	__sync_fetch_and_add(&hits, 1);
	return -EPERM;
}

char LICENSE[] SEC("license") = "GPL";
