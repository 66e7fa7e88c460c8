// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has a device write to physical memory: port_dma ADDRESS. All that it takes is port I/O.
 *
 * The device is QEMU's fw_cfg, which copies one of its items to wherever it is told (QEMU's
 * docs/specs/fw_cfg.rst). Item 0 is a word of four letters; what is behind its end are zeroes.
 * Exits with 0 if the device says that it did.
 */
#include <linux/types.h>

#include "dma.h"

#define PORT 0x514
#define SIZE 32
#define READ 2U
#define SELECT 8U

/* All of it big-endian; the device clears control when it is done. */
static volatile struct {
	__u32 control;
	__u32 size;
	__u64 address;
} request __aligned(16);

static void out(unsigned short port, __u32 value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

int main(int argc, char **argv, char **envp)
{
	unsigned long at;

	(void)envp;
	if (argc != 2 || sys(__NR_iopl, 3))
		return 1;
	request.control = __builtin_bswap32(SELECT | READ);
	request.size = __builtin_bswap32(SIZE);
	request.address = __builtin_bswap64(number(argv[1], 10));
	at = physical(&request);
	out(PORT, __builtin_bswap32(at >> 32));
	out(PORT + 4, __builtin_bswap32(at));
	return request.control ? 2 : 0;
}
