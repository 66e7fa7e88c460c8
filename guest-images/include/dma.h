/* SPDX-License-Identifier: GPL-2.0-only */
/* For what has a device write to memory: where memory lies, and numbers as arguments. */
#ifndef DMA_H
#define DMA_H

#include <linux/fcntl.h>

#include "bare.h"
#include "number.h"

#define PAGE 4096UL
#define FRAME ((1UL << 55) - 1) /* of an entry of /proc/self/pagemap */

/* Where something of ours lies in physical memory, as a device sees it. */
static inline unsigned long physical(const volatile void *at)
{
	long pagemap = sys(__NR_open, "/proc/self/pagemap", O_RDONLY);
	unsigned long entry = 0, address = (unsigned long)at;

	sys(__NR_pread64, pagemap, &entry, sizeof(entry), address / PAGE * sizeof(entry));
	sys(__NR_close, pagemap);
	return (entry & FRAME) * PAGE + address % PAGE;
}

#endif
