/* SPDX-License-Identifier: GPL-2.0-only */
/* What the sample's parts agreed on. */
#ifndef SAMPLE_UMD_H
#define SAMPLE_UMD_H

/* The request is a 32-bit offset; the reply is zero but for a 1 at the offset. */
#define SAMPLE_REPLY_SIZE	131072

#ifdef __KERNEL__
#include <linux/usermode_driver_mgmt.h>

extern struct umd_mgmt sample_mgmt;
extern char sample_blob_start[];
extern char sample_blob_end[];
#endif

#endif
