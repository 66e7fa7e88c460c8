// SPDX-License-Identifier: GPL-2.0-only
/*
 * silent_fuse FOLDER: mounts a FUSE file system there with one file, `file`, and serves it. It answers
 * all requests but the reads and writes of the file's data: a task that makes such a request waits for
 * as long as this program lives.
 *
 * A child maps the file, and touches no page of it. On standard output come the child's pid and the
 * address of the mapping, as two longs; or -errno and the number of the call that failed.
 */
#include <linux/fcntl.h>
#include <linux/fuse.h>
#include <linux/mman.h>

#include "bare.h"

#define FILE_ID 2
#define PAGE 4096
#define S_IFREG 0100000
#define S_IFDIR 0040000
#define BLOCKS 1000000

static char options[] = "fd=00,rootmode=40000,user_id=0,group_id=0";
static char path[64];
static char request[FUSE_MIN_READ_BUFFER + PAGE] __aligned(8);
static struct {
	struct fuse_out_header head;
	union {
		struct fuse_init_out init;
		struct fuse_entry_out entry;
		struct fuse_attr_out attr;
		struct fuse_open_out open;
		struct fuse_statfs_out statfs;
	};
} reply;

static struct fuse_attr attributes(unsigned long node)
{
	return (struct fuse_attr){
		.ino = node,
		.size = node == FILE_ID ? PAGE : 0,
		.mode = node == FILE_ID ? S_IFREG | 0600 : S_IFDIR | 0700,
		.nlink = 1,
		.blksize = PAGE,
	};
}

/* The size of the body, or -errno; what may be waited for in vain is not answered. */
static long answer(const struct fuse_in_header *in)
{
	switch (in->opcode) {
	case FUSE_INIT:
		reply.init.major = FUSE_KERNEL_VERSION;
		reply.init.minor = 31;
		reply.init.max_write = PAGE;
		return sizeof(reply.init);
	case FUSE_LOOKUP:
		reply.entry.nodeid = FILE_ID;
		reply.entry.attr = attributes(FILE_ID);
		return sizeof(reply.entry);
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		reply.attr.attr = attributes(in->nodeid);
		return sizeof(reply.attr);
	case FUSE_OPEN:
		return sizeof(reply.open);
	case FUSE_STATFS:
		reply.statfs.st = (struct fuse_kstatfs){
			.blocks = BLOCKS, .bfree = BLOCKS, .bavail = BLOCKS, .bsize = PAGE,
		};
		return sizeof(reply.statfs);
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		return 0;
	}
	return -38; /* ENOSYS */
}

static void serve(long device)
{
	const struct fuse_in_header *in = (void *)request;
	long size;

	for (;;) {
		if (sys(__NR_read, device, request, sizeof(request)) < 0)
			return;
		if (in->opcode == FUSE_READ || in->opcode == FUSE_WRITE ||
		    in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET)
			continue;
		memset(&reply, 0, sizeof(reply));
		size = answer(in);
		reply.head.unique = in->unique;
		reply.head.error = size < 0 ? size : 0;
		reply.head.len = sizeof(reply.head) + (size < 0 ? 0 : size);
		sys(__NR_write, device, &reply, reply.head.len);
	}
}

static void map_file(void)
{
	long file = sys(__NR_open, path, O_RDONLY), told[2];

	told[0] = sys(__NR_getpid);
	told[1] = sys(__NR_mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
	sys(__NR_write, 1, told, sizeof(told));
	for (;;)
		sys(__NR_pause);
}

static int failed(long error, long call)
{
	long told[] = { error, call };

	sys(__NR_write, 1, told, sizeof(told));
	return 2;
}

int main(int argc, char **argv, char **envp)
{
	static const char file[] = "/file";
	long device = sys(__NR_open, "/dev/fuse", O_RDWR), error;
	size_t size = 0;

	(void)envp;
	if (argc < 2 || device > 99)
		return 1;
	if (device < 0)
		return failed(device, __NR_open);
	while (argv[1][size] && size < sizeof(path) - sizeof(file))
		size++;
	memcpy(path, argv[1], size);
	memcpy(path + size, file, sizeof(file));
	options[3] += device / 10;
	options[4] += device % 10;
	error = sys(__NR_mount, "silent", argv[1], "fuse", 0, options);
	if (error)
		return failed(error, __NR_mount);
	if (!sys(__NR_fork))
		map_file();
	serve(device);
	return 3;
}
