/* SPDX-License-Identifier: GPL-2.0-only */
/* The mark that no process may act upon a task: what the umd LSM goes by. */
#ifndef __LINUX_UMD_ISOLATION_H__
#define __LINUX_UMD_ISOLATION_H__

#include <linux/types.h>

struct task_struct;

#ifdef CONFIG_SECURITY_UMD
int umd_isolate_current(void);
bool umd_is_isolated(const struct task_struct *task);
#else
static inline int umd_isolate_current(void) { return 0; }
static inline bool umd_is_isolated(const struct task_struct *task) { return false; }
#endif

#endif /* __LINUX_UMD_ISOLATION_H__ */
