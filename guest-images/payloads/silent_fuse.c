// SPDX-License-Identifier: GPL-2.0-only
/*
 * silent_fuse FOLDER ANSWERED FILES: mounts a FUSE file system there, and serves it. The file system has
 * FILES files of two pages each, `file0000` and so on. The program answers all requests but the writes of
 * a file's data and the reads behind its first ANSWERED bytes, at most a page, which are 0: a task that
 * makes such a request waits for as long as this program lives.
 *
 * A child maps the first page of `file0000`, and touches no page of it. On standard output come the
 * child's pid and the address of the mapping, as two longs; or -errno and the number of the call that
 * failed. The child then opens the other files, and says a byte after each BATCH of them.
 */
#include <linux/fcntl.h>
#include <linux/fuse.h>
#include <linux/mman.h>
#include <stdbool.h>

#include "bare.h"
#include "number.h"

#define FILE_ID 2 /* of file0000; each further file has the next number */
#define PAGE 4096
#define S_IFREG 0100000
#define S_IFDIR 0040000
#define BATCH 64
#define BLOCKS 1000000
#define VALID 1000000 /* seconds for which the kernel keeps a name, and so the file */

static char options[] = "fd=00,rootmode=40000,user_id=0,group_id=0";
static unsigned long answered, files;
static char request[FUSE_MIN_READ_BUFFER + PAGE] __aligned(8);
static struct {
	struct fuse_out_header head;
	union {
		struct fuse_init_out init;
		struct fuse_entry_out entry;
		struct fuse_attr_out attr;
		struct fuse_open_out open;
		struct fuse_statfs_out statfs;
		char data[PAGE];
	};
} reply;

static struct fuse_attr attributes(unsigned long node)
{
	return (struct fuse_attr){
		.ino = node,
		.size = node >= FILE_ID ? 2 * PAGE : 0,
		.mode = node >= FILE_ID ? S_IFREG | 0600 : S_IFDIR | 0700,
		.nlink = 1,
		.blksize = PAGE,
	};
}

/* The size of the body, or -errno. */
static long answer(const struct fuse_in_header *in)
{
	const struct fuse_read_in *read = (void *)(in + 1);

	switch (in->opcode) {
	case FUSE_READ:
		return read->size;
	case FUSE_INIT:
		reply.init.major = FUSE_KERNEL_VERSION;
		reply.init.minor = 31;
		reply.init.max_write = PAGE;
		return sizeof(reply.init);
	case FUSE_LOOKUP:
		reply.entry.nodeid = FILE_ID + number((char *)(in + 1) + sizeof("file") - 1, 10);
		reply.entry.entry_valid = VALID;
		reply.entry.attr = attributes(reply.entry.nodeid);
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

static bool is_answered(const struct fuse_in_header *in)
{
	const struct fuse_read_in *read = (void *)(in + 1);

	switch (in->opcode) {
	case FUSE_READ:
		return read->offset + read->size <= answered;
	case FUSE_WRITE:
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
		return false;
	}
	return true;
}

static void serve(long device)
{
	const struct fuse_in_header *in = (void *)request;
	long size;

	for (;;) {
		if (sys(__NR_read, device, request, sizeof(request)) < 0)
			return;
		if (!is_answered(in))
			continue;
		memset(&reply, 0, sizeof(reply));
		size = answer(in);
		reply.head.unique = in->unique;
		reply.head.error = size < 0 ? size : 0;
		reply.head.len = sizeof(reply.head) + (size < 0 ? 0 : size);
		sys(__NR_write, device, &reply, reply.head.len);
	}
}

static void map_file(const char *folder)
{
	static char name[] = "file0000";
	long file, told[2];

	sys(__NR_chdir, folder);
	file = sys(__NR_open, name, O_RDONLY);
	told[0] = sys(__NR_getpid);
	told[1] = sys(__NR_mmap, 0, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
	sys(__NR_write, 1, told, sizeof(told));
	for (unsigned long n = 1; n < files; n++) {
		put_number(name + sizeof(name) - 1, n, 4);
		sys(__NR_close, file);
		file = sys(__NR_open, name, O_RDONLY);
		if (n % BATCH == 0)
			sys(__NR_write, 1, name, 1);
	}
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
	long device = sys(__NR_open, "/dev/fuse", O_RDWR), error;

	(void)envp;
	if (argc < 4 || device > 99)
		return 1;
	if (device < 0)
		return failed(device, __NR_open);
	answered = number(argv[2], 10);
	files = number(argv[3], 10);
	options[3] += device / 10;
	options[4] += device % 10;
	error = sys(__NR_mount, "silent", argv[1], "fuse", 0, options);
	if (error)
		return failed(error, __NR_mount);
	if (!sys(__NR_fork))
		map_file(argv[1]);
	serve(device);
	return 3;
}
