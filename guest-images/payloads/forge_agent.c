// SPDX-License-Identifier: GPL-2.0-only
/*
 * An agent that lies: it takes the true one's place on the channel, makes no system call
 * that the host asks for, and claims that each went well, or that openat(2) was refused.
 *
 * /lie holds a struct lie: the request to answer first, and the result of an openat(2).
 */
#include <linux/fcntl.h>
#include <linux/types.h>

#include "bare.h"

/* As in guest-images/agent/agent.c. */
#define CHANNEL_FD 900
#define SPANS_MAX 64
#define SPAN_BY_RESULT 1U

struct lie {
	__s64 openat;
	__u32 id;
} __attribute__((packed));

struct span {
	__u64 addr;
	__u32 size;
	__u32 flags;
};

struct request {
	__u32 length;
	__u32 id;
	__u64 nr;
	__u64 args[6];
	__u32 nwrites;
	__u32 nreads;
	struct span spans[SPANS_MAX];
	unsigned char bytes[1 << 20];
};

struct reply {
	__u32 length;
	__u32 id;
	__s64 ret;
	unsigned char bytes[1 << 20];
};

static struct request request;
static struct reply reply;
static struct lie lie;

static void respond(__u32 id, __s64 ret, __u32 size)
{
	const __u32 head = sizeof(reply) - sizeof(reply.bytes);

	reply.id = id;
	reply.ret = ret;
	reply.length = head - sizeof(reply.length) + size;
	sys(__NR_write, CHANNEL_FD, &reply, head + size);
}

static __s64 claim(void)
{
	switch (request.nr) {
	case __NR_openat:
		return lie.openat;
	case __NR_write:
	case __NR_pwrite64:
		return request.args[2];
	default:
		return 0;
	}
}

static void answer(void)
{
	__s64 ret = claim();
	__u32 i, size = 0;

	for (i = 0; i < request.nreads; i++) {
		const struct span *span = &request.spans[request.nwrites + i];

		if (!(span->flags & SPAN_BY_RESULT) || ret >= span->size)
			size += span->size;
		else if (ret > 0)
			size += ret;
	}
	respond(request.id, ret, size);
}

int main(int argc, char **argv, char **envp)
{
	long fd = sys(__NR_open, "/lie", O_RDONLY);

	(void)argc, (void)argv, (void)envp;
	if (sys(__NR_read, fd, &lie, sizeof(lie)) != sizeof(lie))
		return 1;
	respond(lie.id, 0, 0);
	while (sys(__NR_read, CHANNEL_FD, &request, sizeof(request)) > 0)
		answer();
	return 0;
}
