// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds a file of a process: an iterator over all open files reads a page of another process at the
 * file, and sleeps until the page is served. Meanwhile the iterator has a reference to the file.
 */
#include "sleep_on_page.h"

struct file;
struct seq_file;

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

const volatile __u32 number;

SEC("iter.s/task_file")
int sleep_at_file(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;

	if (!task || task->tgid != (int)tgid || ctx->fd != number || hits)
		return 0;
	hits = 1;
	read_page();
	return 0;
}
