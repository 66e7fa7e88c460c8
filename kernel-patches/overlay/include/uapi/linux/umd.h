/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/* What goes before each message between the kernel and a user mode driver that takes frames. */
#ifndef _UAPI_LINUX_UMD_H
#define _UAPI_LINUX_UMD_H

#include <linux/types.h>

#define UMD_FRAME_MAGIC		0x46444d55	/* "UMDF" */

/**
 * struct umd_frame - what goes before a message
 * @magic: UMD_FRAME_MAGIC
 * @len: how many bytes the message has
 * @nonce: random numbers of a request; its reply repeats them
 */
struct umd_frame {
	__u32 magic;
	__u32 len;
	__u8 nonce[16];
};

#endif /* _UAPI_LINUX_UMD_H */
