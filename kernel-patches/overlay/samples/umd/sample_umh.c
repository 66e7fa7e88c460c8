// SPDX-License-Identifier: GPL-2.0-only
/* The sample's handler: answers until its input ends. */
#include <linux/types.h>
#include <unistd.h>

#include "sample.h"

static __u8 reply[SAMPLE_REPLY_SIZE];

static int transfer(ssize_t (*move)(int, void *, size_t), int fd, void *data, size_t len)
{
	while (len) {
		ssize_t n = move(fd, data, len);

		if (n <= 0)
			return -1;
		data += n;
		len -= n;
	}
	return 0;
}

static ssize_t put(int fd, void *data, size_t len)
{
	return write(fd, data, len);
}

int main(void)
{
	__u32 offset;

	while (!transfer(read, 0, &offset, sizeof(offset))) {
		if (offset < sizeof(reply))
			reply[offset] = 1;
		if (transfer(put, 1, reply, sizeof(reply)))
			return 1;
		if (offset < sizeof(reply))
			reply[offset] = 0;
	}
	return 0;
}
