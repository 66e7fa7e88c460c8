// SPDX-License-Identifier: GPL-2.0-only
/* The reply to one request, which depends on that request alone. */
#include <errno.h>
#include <string.h>

#include "umd_handler.h"

static size_t reply_length;

void umd_reply_length(size_t len)
{
	reply_length = len;
}

size_t umd_answer(umd_parse_t parse, const void *request, size_t len, void *reply, size_t size)
{
	__s32 status = -EMSGSIZE;

	reply_length = size;
	umd_arena_reset();
	memset(reply, 0, size);
	if (len <= UMD_REQUEST_SIZE)
		status = parse(request, len, reply);
	if (status)
		memset(reply, 0, size);
	memcpy(reply, &status, sizeof(status));
	return reply_length;
}
