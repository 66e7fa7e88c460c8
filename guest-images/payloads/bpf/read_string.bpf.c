// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads memory of a process as it enters a system call, in its own context, by the function for
 * strings: a byte at a time, since a string ends at the first zero.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define SECRET_SIZE 32

int bpf_copy_from_user_str(void *to, __u32 size, const void *from, __u64 flags) __ksym;

const volatile __u32 tgid;
const volatile __u64 address;

__u32 hits;
__u8 taken[SECRET_SIZE];

SEC("fentry.s/__x64_sys_write")
int read_string(void *ctx)
{
	char byte[2];
	int i;

	(void)ctx;
	if (bpf_get_current_pid_tgid() >> 32 != tgid || hits)
		return 0;
	for (i = 0; i < SECRET_SIZE; i++) {
		if (bpf_copy_from_user_str(byte, sizeof(byte), (const void *)(address + i), 0) < 0)
			return 0;
		taken[i] = byte[0];
	}
	hits = 1;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
