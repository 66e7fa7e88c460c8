// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has a process that starts wait for its mmap_lock. bpf_find_vma() holds the lock while its callback
 * reads a page of another process. The callback sleeps until the page is served. Each call of getpgid(2)
 * looks for the mapping of the process that was forked last. That process loops before each further
 * mapping, so that the second CPU finds it with its code mapped and its start not finished.
 */
#include "dawdle.h"
#include "sleep_on_page.h"

#define PF_KTHREAD	0x00200000
#define STEPS		200000

const volatile __u64 code;

__u32 forked;

static long sleep_locked(struct task_struct *task, void *vma, void *nothing)
{
	(void)task, (void)vma, (void)nothing;
	hits = 1;
	read_page();
	return 0;
}

SEC("tp_btf/task_newtask")
int note_fork(struct task_struct **arguments)
{
	const struct task_struct *task = arguments[0];

	if (!(task->flags & PF_KTHREAD))
		forked = task->tgid;
	return 0;
}

SEC("fentry/vm_mmap")
int dawdle(void *ctx)
{
	(void)ctx;
	if (forked && bpf_get_current_pid_tgid() >> 32 == forked && !hits)
		do_nothing(STEPS);
	return 0;
}

SEC("fentry.s/__x64_sys_getpgid")
int look_for_vma(void *ctx)
{
	struct task_struct *task;

	(void)ctx;
	if (!forked || hits)
		return 0;
	task = bpf_task_from_pid(forked);
	if (!task)
		return 0;
	bpf_find_vma(task, code, sleep_locked, NULL, 0);
	bpf_task_release(task);
	return 0;
}
