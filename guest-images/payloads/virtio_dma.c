// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has a PCI device write to physical memory: virtio_dma REGISTERS COMMON NOTIFY STEP ADDRESS
 *
 * REGISTERS is a file of sysfs with the registers of a virtio serial device; where in there its
 * configuration, its door bells and the next queue's bell lie, its capabilities say. The queue is
 * one that nobody uses: it is given rings of ours, its used ring where the device is to write.
 * The device has no use for what is in it and hands all of it back: a number below QUEUED and a
 * zero for each.
 *
 * (Virtual I/O Device 1.2, 2.7 and 4.1.4. The used ring has four bytes before its entries.)
 */
#include <linux/mman.h>
#include <linux/types.h>

#include "dma.h"
#include "virtio_rings.h"

#define USED_HEADER 4
#define SPACE (4 * PAGE)

struct common {
	__u32 feature_select, feature, driver_feature_select, driver_feature;
	__u16 msix_config, queues;
	__u8 status, generation;
	__u16 select, size, msix_vector, enable, bell;
	__u32 descriptors[2], available[2], used[2];
};

static void set(volatile __u32 address[2], unsigned long value)
{
	address[0] = value;
	address[1] = value >> 32;
}

int main(int argc, char **argv, char **envp)
{
	volatile struct common *common;
	volatile __u16 *bell;
	long file, registers, keeper;
	unsigned int i;

	(void)envp;
	if (argc != 6)
		return 1;
	file = sys(__NR_open, argv[1], O_RDWR);
	registers = sys(__NR_mmap, 0, SPACE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (registers < 0)
		return 2;
	rings.available.index = QUEUED;
	for (i = 0; i < QUEUED; i++) {
		rings.descriptors[i].address = physical(&rings);
		rings.descriptors[i].size = sizeof(rings);
		rings.available.ring[i] = i;
	}

	common = (void *)(registers + number(argv[2], 10));
	common->select = QUEUE;
	common->size = QUEUED;
	set(common->descriptors, physical(&rings));
	set(common->available, physical(&rings.available));
	set(common->used, number(argv[5], 10) - USED_HEADER);
	common->enable = 1;
	bell = (void *)(registers + number(argv[3], 10) + common->bell * number(argv[4], 10));
	*bell = QUEUE;
	/* The device looks into these rings whenever it likes: nobody else is to get their memory. */
	keeper = sys(__NR_fork);
	if (!keeper) {
		for (;;)
			sys(__NR_pause);
	}
	return keeper < 0 ? 3 : 0;
}
