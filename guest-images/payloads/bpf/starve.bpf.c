// SPDX-License-Identifier: GPL-2.0-only
/*
 * A scheduler for all ordinary tasks that never lets one of them run: it is told of the task
 * that wants a CPU, and does not pass it on.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define SCX_DSQ_GLOBAL	(1ULL << 63 | 1)	/* include/linux/sched/ext.h */
#define SLICE_NS	(20 * 1000 * 1000ULL)

struct task_struct {
	int pid;
} __attribute__((preserve_access_index));

/* Linux 6.13 has renamed it. */
extern void scx_bpf_dispatch(struct task_struct *task, __u64 queue, __u64 slice,
			     __u64 flags) __ksym __weak;
extern void scx_bpf_dsq_insert(struct task_struct *task, __u64 queue, __u64 slice,
			       __u64 flags) __ksym __weak;

const volatile __u32 pid;

__u32 hits;

/* Without it, whoever wakes up while the CPU is idle is not asked about. */
SEC("struct_ops/select_cpu")
int starve_select_cpu(__u64 *ctx)
{
	return ctx[1];
}

SEC("struct_ops/enqueue")
int starve_enqueue(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];

	if (task->pid == (int)pid)
		__sync_fetch_and_add(&hits, 1);
	else if (bpf_ksym_exists(scx_bpf_dsq_insert))
		scx_bpf_dsq_insert(task, SCX_DSQ_GLOBAL, SLICE_NS, ctx[1]);
	else
		scx_bpf_dispatch(task, SCX_DSQ_GLOBAL, SLICE_NS, ctx[1]);
	return 0;
}

struct sched_ext_ops {
	__s32 (*select_cpu)(struct task_struct *task, __s32 cpu, __u64 flags);
	void (*enqueue)(struct task_struct *task, __u64 flags);
	__u32 timeout_ms;
	char name[128];
};

SEC(".struct_ops.link")
struct sched_ext_ops starve = {
	.select_cpu = (void *)starve_select_cpu,
	.enqueue = (void *)starve_enqueue,
	/*
	 * The kernel takes the scheduler away from whoever starves a task for so long. That is
	 * by default half a minute; a request's deadline is 2 s.
	 */
	.timeout_ms = 2500,
	.name = "starve",
};

char LICENSE[] SEC("license") = "GPL";
