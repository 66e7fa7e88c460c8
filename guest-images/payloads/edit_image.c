// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hibernates the machine into its own memory, edits the image and resumes from that: 32 bytes,
 * from an offset in a page frame on (both arguments, decimal), are then all ones.
 *
 * The machine that resumes is the one that was there when the image was taken: in there this has
 * only just returned from taking it.
 */
#include <linux/fcntl.h>
#include <linux/ioctl.h>
#include <linux/mman.h>
#include <linux/suspend_ioctls.h>
#include <linux/types.h>

#include "agent.h"
#include "number.h"

#define PAGE 4096L
#define EDITED 32
#define WORDS (PAGE / 8)

/* struct swsusp_info of kernel/power/power.h, in words, and how it lists page frames. */
#define IMAGE_PAGES 52
#define PAGES 53
#define ZERO (1UL << 63) /* the image leaves its content out */

static long take(long device, unsigned long **image)
{
	long size = 0, at = 0, count;

	if (sys(__NR_ioctl, device, SNAPSHOT_GET_IMAGE_SIZE, &size))
		return 0;
	*image = (void *)sys(__NR_mmap, 0, size + PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	while ((count = sys(__NR_read, device, (char *)*image + at, PAGE)) > 0)
		at += count;
	return at;
}

/* The page of that frame: they follow the header and the list of frames, in its order. */
static char *find(unsigned long *image, unsigned long frame)
{
	unsigned long listed = image[PAGES] - image[IMAGE_PAGES] - 1, *list = image + WORDS;
	char *page = (char *)(list + listed * WORDS);

	for (; (char *)list < (char *)image + (1 + listed) * PAGE; list++) {
		if (*list == frame)
			return page;
		if (!(*list & ZERO))
			page += PAGE;
	}
	return NULL;
}

static void thaw(long device)
{
	sys(__NR_ioctl, device, SNAPSHOT_FREE);
	sys(__NR_ioctl, device, SNAPSHOT_UNFREEZE);
	sys(__NR_close, device);
}

static int resume(unsigned long *image, long size)
{
	long device = sys(__NR_open, "/dev/snapshot", O_WRONLY), at = 0, count;

	sys(__NR_ioctl, device, SNAPSHOT_FREEZE);
	while (at < size && (count = sys(__NR_write, device, (char *)image + at, PAGE)) > 0)
		at += count;
	sys(__NR_ioctl, device, SNAPSHOT_ATOMIC_RESTORE);
	thaw(device); /* or it would not have returned */
	return 3;
}

int main(int argc, char **argv, char **envp)
{
	long device = sys(__NR_open, "/dev/snapshot", O_RDONLY), size;
	int is_original = 0;
	unsigned long *image;
	char *page;

	(void)envp;
	wait_for_agent(); /* or it would reply to the start of this only after the resume */
	if (argc < 3 || sys(__NR_ioctl, device, SNAPSHOT_FREEZE))
		return 1;
	if (sys(__NR_ioctl, device, SNAPSHOT_CREATE_IMAGE, &is_original)) {
		thaw(device);
		return 1;
	}
	size = is_original ? take(device, &image) : 0;
	page = size ? find(image, number(argv[1], 10)) : NULL;
	thaw(device);
	if (!is_original)
		return 0;
	if (!page)
		return 2;
	memset(page + number(argv[2], 10), 0xff, EDITED);
	return resume(image, size);
}
