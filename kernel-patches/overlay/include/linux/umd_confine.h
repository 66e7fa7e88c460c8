/* SPDX-License-Identifier: GPL-2.0-only */
/* What a user mode driver is set up with before any of its code runs. */
#ifndef __LINUX_UMD_CONFINE_H__
#define __LINUX_UMD_CONFINE_H__

struct cred;
struct vfsmount;

#ifdef CONFIG_SECURITY_UMD
int umd_confine_current(struct cred *new);
int umd_confine_exec(const struct vfsmount *mnt);
#else
static inline int umd_confine_current(struct cred *new) { return 0; }
static inline int umd_confine_exec(const struct vfsmount *mnt) { return 0; }
#endif

#endif /* __LINUX_UMD_CONFINE_H__ */
