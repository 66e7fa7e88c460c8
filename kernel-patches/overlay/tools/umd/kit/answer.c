// SPDX-License-Identifier: GPL-2.0-only
/* The reply to one request, which depends on that request alone. */
#include <errno.h>
#include <string.h>

#include "umd_handler.h"

void umd_answer(umd_parse_t parse, const void *request, size_t len, void *reply, size_t size)
{
	__s32 status = -EMSGSIZE;

	umd_arena_reset();
	memset(reply, 0, size);
	if (len <= UMD_REQUEST_SIZE)
		status = parse(request, len, reply);
	if (status)
		memset(reply, 0, size);
	memcpy(reply, &status, sizeof(status));
}
