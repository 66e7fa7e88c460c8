/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the driver agreed on. */
#ifndef EIR_H
#define EIR_H

#include <linux/types.h>

/* Where the name is in the request. */
struct eir_reply {
	__s32 status;
	__u32 offset;
	__u32 length;
};

#ifdef __KERNEL__
#include <linux/usermode_driver_mgmt.h>

extern struct umd_mgmt eir_mgmt;
extern char eir_start[];
extern char eir_end[];
#endif

#endif
