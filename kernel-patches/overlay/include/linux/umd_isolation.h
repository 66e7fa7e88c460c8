/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel keeps away from user mode drivers, as it does from its own
 * threads: whatever tests PF_KTHREAD to spare a task asks umd_defended(), too.
 */
#ifndef __LINUX_UMD_ISOLATION_H__
#define __LINUX_UMD_ISOLATION_H__

#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/sched.h>

/**
 * enum umd_defence - what a user mode driver is defended from
 * @UMD_PTRACE: access to its memory, files and registers, where ptrace's check is asked
 * @UMD_ACCESS: access to its memory where that check is not asked
 * @UMD_SIGNALS: signals, whoever has them sent, but for its manager's
 * @UMD_SCHED: settings of its scheduling and limits
 * @UMD_CGROUPS: being moved to another cgroup, and waiting for moves of others
 * @UMD_FREEZER: being frozen
 * @UMD_OOM: the OOM killer
 * @UMD_FUTEX: being taken for the owner of a lock
 * @UMD_BPF: programs that decide or sleep in its context
 * @UMD_PROBES: probes that look into or write its memory
 * @UMD_PERF: performance events and breakpoints
 * @UMD_AUDIT: waiting for the audit, or for an accounting file, to record what it does
 * @UMD_FAULTS: injected faults
 * @UMD_PAGES: its page frames being taken for broken, moved or watched
 * @UMD_PIPES: permissions and notifications of its own pipes
 * @UMD_EXEC: what may come between its blob and the process
 * @UMD_IMAGE: changes of its blob, in memory or on a swap device, and a load that
 *	waits for the files of others
 * @UMD_LOCKED: its memory leaving memory
 * @UMD_INHERITED: what its parent may pass on
 * @UMD_CAPS: capabilities that others may take away, or abuse
 * @UMD_FRAMING: replies that belong to no request; for a manager to ask
 * @UMD_SECCOMP: itself, once an attacker has taken it over
 * @UMD_DEFENCES: how many there are
 */
enum umd_defence {
	UMD_PTRACE,
	UMD_ACCESS,
	UMD_SIGNALS,
	UMD_SCHED,
	UMD_CGROUPS,
	UMD_FREEZER,
	UMD_OOM,
	UMD_FUTEX,
	UMD_BPF,
	UMD_PROBES,
	UMD_PERF,
	UMD_AUDIT,
	UMD_FAULTS,
	UMD_PAGES,
	UMD_PIPES,
	UMD_EXEC,
	UMD_IMAGE,
	UMD_LOCKED,
	UMD_INHERITED,
	UMD_CAPS,
	UMD_FRAMING,
	UMD_SECCOMP,
	UMD_DEFENCES
};

#ifdef CONFIG_SECURITY_UMD
#ifdef CONFIG_UMD_WITNESS
/* What each buys is measured on a kernel without it. */
extern unsigned long umd_defences;
#else
#define umd_defences	(~0UL)
#endif

/**
 * umd_isolates - whether this kernel isolates user mode drivers at all
 */
static __always_inline bool umd_isolates(void)
{
	return umd_defences;
}

/**
 * umd_defends - whether this kernel has a defence
 * @defence: which one
 *
 * Debugging a driver takes its memory and its events.
 */
static __always_inline bool umd_defends(enum umd_defence defence)
{
	if (IS_ENABLED(CONFIG_SECURITY_UMD_DEBUG) &&
	    (defence == UMD_PTRACE || defence == UMD_ACCESS || defence == UMD_PERF))
		return false;

	return umd_defences & BIT(defence);
}

/**
 * umd_is_isolated - whether a task is an isolated user mode driver
 * @task: the task, which is one from its fork on or never
 */
static __always_inline bool umd_is_isolated(const struct task_struct *task)
{
	return test_bit(PFA_UMD_ISOLATED, &task->atomic_flags);
}
#else
static __always_inline bool umd_isolates(void)
{
	return false;
}

static __always_inline bool umd_defends(enum umd_defence defence)
{
	return false;
}

static __always_inline bool umd_is_isolated(const struct task_struct *task)
{
	return false;
}
#endif

/**
 * umd_defended - whether a task is a user mode driver that is to be spared
 * @task: the task
 * @defence: what from
 */
static __always_inline bool umd_defended(const struct task_struct *task, enum umd_defence defence)
{
	return unlikely(umd_is_isolated(task)) && umd_defends(defence);
}

#endif /* __LINUX_UMD_ISOLATION_H__ */
