// SPDX-License-Identifier: GPL-2.0-only
/*
 * An iterator over all open files that dawdles at those of one process. Meanwhile the iterator has a
 * reference to the file, and the kernel may let another task run.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define STEPS 200000

struct file;
struct seq_file;

struct task_struct {
	int tgid;
} __attribute__((preserve_access_index));

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
} __attribute__((preserve_access_index));

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
} __attribute__((preserve_access_index));

const volatile __u32 tgid;

__u32 hits;

static long step(__u32 number, void *nothing)
{
	(void)number, (void)nothing;
	return 0;
}

SEC("iter/task_file")
int dawdle(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;

	if (!task || !ctx->file || task->tgid != (int)tgid)
		return 0;
	hits++;
	bpf_loop(STEPS, step, NULL, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
