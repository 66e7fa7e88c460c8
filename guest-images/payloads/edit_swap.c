// SPDX-License-Identifier: GPL-2.0-only
/*
 * Has the whole machine swapped out while all but this is frozen, and edits the pages that look
 * like a handler's state. The arguments, all decimal: the swap file's size in pages, and where in
 * its page the handler has its request and its state.
 *
 * In one go, or the handler would be missed for too long.
 */
#include <linux/fcntl.h>
#include <linux/ioctl.h>
#include <linux/mman.h>
#include <linux/suspend_ioctls.h>
#include <linux/time_types.h>

#include "bare.h"
#include "state.h"

#define PAGE 4096
#define ROUNDS 5
#define PASSES 3

static const struct __kernel_timespec pause = { .tv_nsec = 30000000 };

static void put(const char *path, const char *text, long size)
{
	long file = sys(__NR_open, path, O_WRONLY);

	sys(__NR_write, file, text, size);
	sys(__NR_close, file);
}

/*
 * Out of the CPUs' batches, out to the device, and out of the swap cache, which is read first.
 * What was used a moment ago is only noted as old when it is first come by.
 */
static void push_out(void)
{
	int pass;

	put("/proc/sys/vm/drop_caches", "1", 1);
	for (pass = 0; pass < PASSES; pass++)
		put("/sys/fs/cgroup/memory.reclaim", "4M", 2);
}

static void edit(char *page, const char *end, char **places)
{
	for (; page < end; page += PAGE) {
		if (is_state(page, places))
			memset(page + number(places[1], 10), 0xff, HASH);
	}
}

int main(int argc, char **argv, char **envp)
{
	long device = sys(__NR_open, "/dev/snapshot", O_RDONLY), size, round;
	long file = sys(__NR_open, "/tmp/swap/file", O_RDWR);
	char *swap;

	(void)envp;
	if (argc < 4)
		return 1;
	size = number(argv[1], 10) * PAGE;
	swap = (char *)sys(__NR_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	sys(__NR_mlockall, MCL_CURRENT | MCL_FUTURE); /* not this */

	for (round = 0; round < ROUNDS; round++) {
		if (sys(__NR_ioctl, device, SNAPSHOT_FREEZE))
			return 1;
		push_out();
		edit(swap + PAGE, swap + size, argv + 2);
		sys(__NR_ioctl, device, SNAPSHOT_UNFREEZE);
		sys(__NR_nanosleep, &pause, NULL);
	}
	return 0;
}
