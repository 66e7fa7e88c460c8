// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has the kernel itself believe that each read of a pipe gave it a whole message, which it did
 * not: a hook that returns a positive number is taken for a count of bytes.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define PF_KTHREAD	0x00200000
#define S_IFMT		00170000
#define S_IFIFO		0010000

struct task_struct {
	unsigned int flags;
} __attribute__((preserve_access_index));

struct inode {
	unsigned short i_mode;
} __attribute__((preserve_access_index));

struct file {
	struct inode *f_inode;
} __attribute__((preserve_access_index));

const volatile __u32 count;

__u32 hits;

SEC("fmod_ret/security_file_permission")
int stale_reply(__u64 *ctx)
{
	const struct task_struct *task = (void *)bpf_get_current_task();
	const struct file *file = (void *)ctx[0];

	if (!(BPF_CORE_READ(task, flags) & PF_KTHREAD) ||
	    (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFIFO)
		return 0;
	__sync_fetch_and_add(&hits, 1);
	return count;
}

char LICENSE[] SEC("license") = "GPL";
