// SPDX-License-Identifier: GPL-2.0-only
/*
 * uring_open PATH: opens it for writing and writes 56 bytes to it, none of which it does itself:
 * a worker thread of the kernel does, for an io_uring. On standard output comes what the first
 * step that failed returned, be it to get an io_uring at all, or the last one's result.
 */
#include <linux/fcntl.h>
#include <linux/io_uring.h>
#include <linux/mman.h>

#include "bare.h"

#define MESSAGE	56	/* struct witness_message */
#define PAGE	4096

static struct io_uring_params params;
static char *rings;
static struct io_uring_sqe *entry;
static long ring;

static unsigned int *sq(unsigned int offset)
{
	return (unsigned int *)(rings + offset);
}

static void *map(unsigned long offset)
{
	return (void *)sys(__NR_mmap, 0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			   ring, offset);
}

/* One operation by a worker, whether or not it would have to wait. */
static int done(const struct io_uring_sqe *operation)
{
	struct io_uring_cqe *completion;
	unsigned int head, at = *sq(params.sq_off.tail) & *sq(params.sq_off.ring_mask);

	entry[at] = *operation;
	entry[at].flags = IOSQE_ASYNC;
	sq(params.sq_off.array)[at] = at;
	__atomic_store_n(sq(params.sq_off.tail), *sq(params.sq_off.tail) + 1, __ATOMIC_RELEASE);
	sys(__NR_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS);

	head = *sq(params.cq_off.head);
	completion = (void *)(rings + params.cq_off.cqes);
	__atomic_store_n(sq(params.cq_off.head), head + 1, __ATOMIC_RELEASE);
	return completion[head & *sq(params.cq_off.ring_mask)].res;
}

static int write_to(const char *path)
{
	struct io_uring_sqe open = {
		.opcode = IORING_OP_OPENAT,
		.fd = AT_FDCWD,
		.addr = (unsigned long)path,
		.open_flags = O_WRONLY,
	};
	struct io_uring_sqe forge = { .opcode = IORING_OP_WRITE, .len = MESSAGE, .off = -1 };
	unsigned char reply[MESSAGE];

	memset(reply, 0xff, sizeof(reply));
	ring = sys(__NR_io_uring_setup, 4, &params);
	if (ring < 0)
		return ring;
	rings = map(IORING_OFF_SQ_RING);
	entry = map(IORING_OFF_SQES);
	forge.fd = done(&open);
	if (forge.fd < 0)
		return forge.fd;
	forge.addr = (unsigned long)reply;
	return done(&forge);
}

int main(int argc, char **argv, char **envp)
{
	int result = write_to(argv[1]);

	(void)argc, (void)envp;
	sys(__NR_write, 1, &result, sizeof(result));
	for (;;)
		sys(__NR_pause);
}
