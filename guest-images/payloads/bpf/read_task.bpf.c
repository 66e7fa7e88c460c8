// SPDX-License-Identifier: GPL-2.0-only
/* Reads memory of any process, found by an iterator over all: no hook is asked about either. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct seq_file;

struct task_struct {
	int tgid;
} __attribute__((preserve_access_index));

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
} __attribute__((preserve_access_index));

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __attribute__((preserve_access_index));

const volatile __u32 tgid;
const volatile __u64 address;

__u32 hits;
__u8 taken[32];

SEC("iter.s/task")
int read_task(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	if (!task || task->tgid != (int)tgid)
		return 0;
	if (!bpf_copy_from_user_task(taken, sizeof(taken), (const void *)address, task, 0))
		__sync_fetch_and_add(&hits, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
