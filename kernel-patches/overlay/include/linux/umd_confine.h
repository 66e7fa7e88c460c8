/* SPDX-License-Identifier: GPL-2.0-only */
/* What a user mode driver is set up with before any of its code runs. */
#ifndef __LINUX_UMD_CONFINE_H__
#define __LINUX_UMD_CONFINE_H__

#include <linux/types.h>

struct cred;
struct umd_blob;
struct umd_info;

#ifdef CONFIG_SECURITY_UMD
int umd_confine_current(struct cred *new);
int umd_confine_exec(const struct umd_info *info);
int umd_confine_blob(struct umd_info *info, const void *data, size_t len);
void umd_blob_get(struct umd_blob *blob);
void umd_blob_put(struct umd_blob *blob);
#else
static inline int umd_confine_current(struct cred *new) { return 0; }
static inline int umd_confine_exec(const struct umd_info *info) { return 0; }
static inline int umd_confine_blob(struct umd_info *info, const void *data, size_t len)
{
	return 0;
}

static inline void umd_blob_get(struct umd_blob *blob) { }
static inline void umd_blob_put(struct umd_blob *blob) { }
#endif

#endif /* __LINUX_UMD_CONFINE_H__ */
