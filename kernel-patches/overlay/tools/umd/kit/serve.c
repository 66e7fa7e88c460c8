// SPDX-License-Identifier: GPL-2.0-only
/* A handler's loop, and its three system calls. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/umd.h>

#include "umd_handler.h"

static char request[UMD_REQUEST_SIZE];

static void receive(void *to, size_t len)
{
	while (len) {
		ssize_t n = read(STDIN_FILENO, to, len);

		if (n <= 0)
			exit(0);
		to += n;
		len -= n;
	}
}

static void send(const void *from, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, from, len);

		if (n <= 0)
			exit(1);
		from += n;
		len -= n;
	}
}

/*
 * The caller sends all of a request before it reads, so all of it has to be read.
 * Nothing of an earlier request is left behind it.
 */
static void receive_request(size_t len)
{
	static size_t held;
	size_t left, part;

	if (held > len)
		memset(request + len, 0, held - len);
	held = len < sizeof(request) ? len : sizeof(request);
	for (left = len; left; left -= part) {
		part = left < sizeof(request) ? left : sizeof(request);
		receive(request, part);
	}
}

/*
 * Each write wakes the kernel's worker, which runs at once. So one write sends a short reply.
 * Nothing of it is left for the parser of the next request.
 */
static void send_reply(const struct umd_frame *frame, const char *reply, size_t size)
{
	static struct {
		struct umd_frame frame;
		char reply[4096 - sizeof(struct umd_frame)];
	} first;
	size_t part = size < sizeof(first.reply) ? size : sizeof(first.reply);

	first.frame = *frame;
	memcpy(first.reply, reply, part);
	send(&first, sizeof(first.frame) + part);
	memset(&first, 0, sizeof(first));
	send(reply + part, size - part);
}

/* At least the status, and no more than there is. */
static size_t within(size_t len, size_t size)
{
	if (len < sizeof(__s32))
		return sizeof(__s32);
	return len < size ? len : size;
}

void umd_serve(umd_parse_t parse, void *reply, size_t size)
{
	struct umd_frame frame;

	for (;;) {
		receive(&frame, sizeof(frame));
		if (frame.magic != UMD_FRAME_MAGIC)
			exit(1);

		receive_request(frame.len);
		frame.len = within(umd_answer(parse, request, frame.len, reply, size), size);
		send_reply(&frame, reply, frame.len);
	}
}
