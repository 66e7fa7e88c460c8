// SPDX-License-Identifier: GPL-2.0-only
/* The handler: finds the name of a device in the data of its Bluetooth advertisement. */
#include <errno.h>

#include "eir.h"
#include "umd_handler.h"

#define EIR_NAME	0x09

static struct eir_reply reply;

/* Each part is a length, a type, and data. The length counts the type and the data. */
static int parse(const void *request, size_t len, void *out)
{
	const __u8 *data = request;
	struct eir_reply *answer = out;
	size_t at = 0;

	while (at < len && data[at]) {
		size_t size = data[at++];

		if (size > len - at + UMD_PLANTED)
			return -EINVAL;
		if (data[at] == EIR_NAME) {
			answer->offset = at + 1;
			answer->length = size - 1;
		}
		at += size;
	}
	return answer->length ? 0 : -ENODATA;
}

int main(void)
{
	umd_serve(parse, &reply, sizeof(reply));
	return 0;
}
