/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A handler that also parses what comes with a request: the same parser in the user process and in
 * the kernel thread.
 */
#ifndef UMD_WITNESS_PARSER_H
#define UMD_WITNESS_PARSER_H

#include "message.h"

/* tools/umd: the parser, and the memory that it allocates. */
int PARSE_FUNCTION(const void *data, size_t len, void *parsed);
void umd_arena_reset(void);

#ifndef INPUT_ROOM
#define INPUT_ROOM	WITNESS_INPUT_SIZE
#define PARSED_ROOM	WITNESS_PARSED_SIZE
#endif

static struct {
	__u32 len;
	__u8 data[INPUT_ROOM];
} input;

static inline void parse(__u8 parsed[PARSED_ROOM])
{
	__s32 status;

	umd_arena_reset();
	__builtin_memset(parsed, 0, PARSED_ROOM);
	status = PARSE_FUNCTION(input.data, input.len, parsed);
	__builtin_memcpy(parsed, &status, sizeof(status));
}

#endif
