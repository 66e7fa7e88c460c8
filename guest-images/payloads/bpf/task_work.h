/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Has another process run a part of this program before it returns to user space. Anybody's next
 * system call sends it on its way.
 */
#include "task.h"

struct bpf_map {
	__u32 id;
} __attribute__((preserve_access_index));

/* As in the uapi header of Linux 6.18. */
struct bpf_task_work {
	__u64 opaque;
} __attribute__((aligned(8)));

struct errand {
	struct bpf_task_work work;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct errand);
} errands SEC(".maps");

int bpf_task_work_schedule_signal(struct task_struct *task, struct bpf_task_work *work, void *map,
				  int (*run)(struct bpf_map *, void *, void *)) __ksym;

__u32 sent;

static __always_inline int send(int pid, int (*run)(struct bpf_map *, void *, void *))
{
	struct task_struct *task;
	struct errand *errand;
	__u32 first = 0;

	if (sent)
		return 0;
	errand = bpf_map_lookup_elem(&errands, &first);
	task = bpf_task_from_pid(pid);
	if (!task)
		return 0;
	if (errand && !bpf_task_work_schedule_signal(task, &errand->work, &errands, run))
		sent = 1;
	bpf_task_release(task);
	return 0;
}
