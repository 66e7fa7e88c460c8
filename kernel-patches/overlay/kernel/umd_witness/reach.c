// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proof that an attack arrived: counts calls of named functions that have the
 * handler's task among their first arguments. "Refused" counts only if seen here.
 */
#include <linux/atomic.h>
#include <linux/kprobes.h>
#include <linux/moduleparam.h>
#include <linux/ptrace.h>
#include <linux/sched/task.h>

#include "witness.h"

#define REACH_ARGUMENTS	4

static char *reach[WITNESS_REACH];
static int reach_count;
module_param_array(reach, charp, &reach_count, 0);
MODULE_PARM_DESC(reach, "functions to watch for calls on the handler");

static struct kprobe probes[WITNESS_REACH];
static struct task_struct *watched;

static int reach_hit(struct kprobe *probe, struct pt_regs *regs);
NOKPROBE_SYMBOL(reach_hit);

/* The kernel's own calls on the handler, from its threads, prove nothing. */
static int reach_hit(struct kprobe *probe, struct pt_regs *regs)
{
	unsigned long task = (unsigned long)READ_ONCE(watched);
	int i;

	if (current->flags & PF_KTHREAD)
		return 0;

	for (i = 0; i < REACH_ARGUMENTS; i++) {
		if (regs_get_kernel_argument(regs, i) == task) {
			umd_witness_tally.reach[probe - probes]++;
			break;
		}
	}
	return 0;
}

/* Holds a reference: a task that comes to lie at the same address is another. */
void witness_reach_watch(struct task_struct *task)
{
	struct task_struct *before = xchg(&watched, task ? get_task_struct(task) : NULL);

	if (before)
		put_task_struct(before);
}

void witness_reach_init(void)
{
	int i;

	for (i = 0; i < reach_count; i++) {
		probes[i].symbol_name = reach[i];
		probes[i].pre_handler = reach_hit;
		if (register_kprobe(&probes[i]))
			umd_witness_tally.reach[i] = -1;
	}
}
