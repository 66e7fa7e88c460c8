// SPDX-License-Identifier: GPL-2.0-only
/* A handler as a fuzzer of libFuzzer: the handler's own main() gives its function and its reply. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static umd_parse_t parse;
static char *reply, *earlier;
static size_t reply_size;

void umd_serve(umd_parse_t function, void *place, size_t size)
{
	parse = function;
	reply = place;
	reply_size = size;
}

void umd_broken(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: a reply breaks: %s\n", file, line, what);
	abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	umd_main();
	earlier = malloc(reply_size);
	return earlier ? 0 : 1;
}

static void check(const unsigned char *request, size_t len)
{
	const char *rest = reply + sizeof(__s32);
	__s32 status;

	memcpy(&status, reply, sizeof(status));
	umd_demand(status <= 0 && status >= -4095);
	umd_demand(len <= UMD_REQUEST_SIZE || status == -EMSGSIZE);
	if (status) {
		umd_demand(!rest[0] && !memcmp(rest, rest + 1, reply_size - sizeof(status) - 1));
		return;
	}
#ifdef UMD_CHECK
	UMD_CHECK((const void *)reply, (const char *)request, len);
#else
	(void)request;
#endif
}

/* What the first request leaves behind would show in the reply to the second. */
int LLVMFuzzerTestOneInput(const unsigned char *request, size_t len)
{
	size_t sent = umd_answer(parse, request, len, reply, reply_size), again;

	umd_demand(sent >= sizeof(__s32) && sent <= reply_size);
	check(request, len);
	memcpy(earlier, reply, reply_size);

	again = umd_answer(parse, request, len, reply, reply_size);
	umd_demand(again == sent);
	umd_demand(!memcmp(earlier, reply, reply_size));
	return 0;
}
