/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the witness takes of its tree beyond the published interface of the management
 * library, where it is there: a deadline, isolation, frames. The Makefile looks.
 */
#ifndef UMD_WITNESS_LIBRARY_H
#define UMD_WITNESS_LIBRARY_H

#include <linux/jiffies.h>
#include <linux/sched/signal.h>
#include <linux/usermode_driver_mgmt.h>

#ifdef CONFIG_USERMODE_DRIVER_MGMT_DEADLINE_MS
#define DEADLINE	msecs_to_jiffies(CONFIG_USERMODE_DRIVER_MGMT_DEADLINE_MS)
#else
#define DEADLINE	msecs_to_jiffies(2000)
#endif

#ifdef WITNESS_ISOLATION
#include <linux/umd_isolation.h>

static inline bool witness_is_isolated(const struct task_struct *task)
{
	return umd_is_isolated(task);
}

static inline void witness_kill(struct pid *tgid)
{
	umd_kill(tgid);
}
#else
static inline bool witness_is_isolated(const struct task_struct *task)
{
	return false;
}

static inline void witness_kill(struct pid *tgid)
{
	kill_pid(tgid, SIGKILL, 1);
}
#endif

#endif
