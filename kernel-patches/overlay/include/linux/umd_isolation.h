/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __LINUX_UMD_ISOLATION_H__
#define __LINUX_UMD_ISOLATION_H__

#ifdef CONFIG_SECURITY_UMD
int umd_isolate_current(void);
#else
static inline int umd_isolate_current(void) { return 0; }
#endif

#endif /* __LINUX_UMD_ISOLATION_H__ */
