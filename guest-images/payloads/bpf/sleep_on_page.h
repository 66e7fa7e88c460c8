/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Has a process read a page of another process at a program that may sleep. It sleeps there until
 * the page is served.
 */
#include "task.h"

const volatile __u32 tgid;
const volatile __u32 owner;
const volatile __u64 address;

__u32 hits;

static __always_inline void read_page(void)
{
	struct task_struct *task = bpf_task_from_pid(owner);
	char byte;

	if (!task)
		return;
	bpf_copy_from_user_task(&byte, sizeof(byte), (const void *)address, task, 0);
	bpf_task_release(task);
}

static __always_inline int sleep_on_page(void)
{
	if (bpf_get_current_pid_tgid() >> 32 != tgid || hits)
		return 0;
	hits = 1;
	read_page();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
