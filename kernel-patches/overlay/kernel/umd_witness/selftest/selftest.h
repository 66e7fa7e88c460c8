/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the self-test's parts agreed on. A message is a power of two long, and
 * so is its reply. It starts with the reply's order, after its own unless it
 * is a single byte; all else in it is noise. A bit beside the reply's order
 * asks the handler to make a system call before it replies.
 */
#ifndef UMD_SELFTEST_H
#define UMD_SELFTEST_H

#include <linux/types.h>

#define SELFTEST_ORDER_MAX	22
#define SELFTEST_SINGLE		0x80	/* in the only byte, with the reply's order */
#define SELFTEST_CALL		0x40	/* with the reply's order: call getppid() first */

/* Each byte of a reply depends on all of the message, in order, and on its place. */
static inline __u32 selftest_sum(__u32 sum, const __u8 *data, __u32 len)
{
	while (len--)
		sum = sum * 31 + *data++;
	return sum;
}

static inline __u8 selftest_byte(__u32 sum, __u32 place)
{
	return (sum + place * 2654435761u) >> 24;
}

#ifdef __KERNEL__
#include <linux/usermode_driver_mgmt.h>

extern struct umd_mgmt selftest_mgmt;
extern char umd_selftest_blob_start[];
extern char umd_selftest_blob_end[];
#endif

#endif
