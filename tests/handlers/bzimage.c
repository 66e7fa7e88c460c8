// SPDX-License-Identifier: GPL-2.0-only
/*
 * A study: a handler that says how to load a bzImage, from the first bytes of its file
 * (Documentation/arch/x86/boot.rst).
 */
#include <errno.h>
#include <string.h>

#include "umd_handler.h"

#define SECTOR		512
#define SETUP_SECTS	0x1f1
#define BOOT_FLAG	0x1fe
#define MAGIC		0x202
#define VERSION		0x206
#define LOADFLAGS	0x211
#define XLOADFLAGS	0x236
#define PREF_ADDRESS	0x258
#define INIT_SIZE	0x260
#define HEADER		0x268

#define VERSION_2_12	0x020c
#define LOADED_HIGH	1
#define KERNEL_64	1
#define ENTRY_64	0x200	/* the same in each bzImage */

/**
 * struct bzimage_request - the beginning of a file
 * @size: how many bytes the file has
 * @start: its first bytes
 */
struct bzimage_request {
	__u64 size;
	unsigned char start[];
};

/**
 * struct bzimage - the kernel in the file
 * @status: 0; -EBADMSG if it is no bzImage, -ENOPKG if it has no 64-bit entry
 * @offset: where the kernel begins in the file, whose last part it is
 * @address: where it lies in memory
 * @size: how many bytes of memory it needs from there on
 */
struct bzimage {
	__s32 status;
	__u32 offset;
	__u64 address;
	__u64 size;
};

static __u64 number(const unsigned char *at, int bytes)
{
	__u64 value = 0;

	while (bytes--)
		value = value << 8 | at[bytes];
	return value;
}

static int parse(const void *data, size_t len, void *out)
{
	const struct bzimage_request *request = data;
	const unsigned char *start = request->start;
	struct bzimage *kernel = out;

	if (len < sizeof(*request) + HEADER || number(start + BOOT_FLAG, 2) != 0xaa55 ||
	    memcmp(start + MAGIC, "HdrS", 4))
		return -EBADMSG;
	if (number(start + VERSION, 2) < VERSION_2_12 || !(start[LOADFLAGS] & LOADED_HIGH) ||
	    !(start[XLOADFLAGS] & KERNEL_64))
		return -ENOPKG;

	kernel->offset = (start[SETUP_SECTS] + 1) * SECTOR;
	if (!start[SETUP_SECTS] || kernel->offset + ENTRY_64 >= request->size)
		return -EBADMSG;
	kernel->address = number(start + PREF_ADDRESS, 8);
	kernel->size = number(start + INIT_SIZE, 4);
	return 0;
}

int main(void)
{
	static struct bzimage reply;

	umd_serve(parse, &reply, sizeof(reply));
	return 0;
}
