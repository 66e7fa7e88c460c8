/* SPDX-License-Identifier: GPL-2.0-only */
/* A program's way to a process by its pid. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* The members that programs read. CO-RE finds their offsets. */
struct task_struct {
	unsigned int flags;
	int tgid;
} __attribute__((preserve_access_index));

struct task_struct *bpf_task_from_pid(int pid) __ksym;
void bpf_task_release(struct task_struct *task) __ksym;
