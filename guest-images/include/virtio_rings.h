/* SPDX-License-Identifier: GPL-2.0-only */
/* A queue of a virtio console, by which the device writes memory (Virtual I/O Device 1.2, 2.7). */
#ifndef VIRTIO_RINGS_H
#define VIRTIO_RINGS_H

#include <linux/types.h>

#define QUEUE 1 /* to the console, which is port 0: there is none */
#define QUEUED 4

static volatile struct {
	struct {
		__u64 address;
		__u32 size;
		__u16 flags;
		__u16 next;
	} descriptors[QUEUED];
	struct {
		__u16 flags;
		__u16 index;
		__u16 ring[QUEUED];
		__u16 event;
	} available;
} rings __aligned(4096);

#endif
