// SPDX-License-Identifier: GPL-2.0-only
/* A handler's loop, and its three system calls. */
#include <errno.h>
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

/* The caller sends all of a request before it reads, so all of it has to be read. */
static int receive_request(size_t len)
{
	size_t part;

	if (len <= sizeof(request)) {
		receive(request, len);
		return 0;
	}
	for (; len; len -= part) {
		part = len < sizeof(request) ? len : sizeof(request);
		receive(request, part);
	}
	return -EMSGSIZE;
}

void umd_serve(umd_parse_t parse, void *reply, size_t size)
{
	struct umd_frame frame;
	__s32 status;

	for (;;) {
		receive(&frame, sizeof(frame));
		if (frame.magic != UMD_FRAME_MAGIC)
			exit(1);

		umd_arena_reset();
		memset(reply, 0, size);
		status = receive_request(frame.len);
		if (!status)
			status = parse(request, frame.len, reply);
		if (status)
			memset(reply, 0, size);
		memcpy(reply, &status, sizeof(status));

		frame.len = size;
		send(&frame, sizeof(frame));
		send(reply, size);
	}
}
