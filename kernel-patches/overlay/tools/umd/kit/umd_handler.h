/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kit for a handler that parses: a loop around one function, and memory from
 * an arena. A handler makes three system calls: read, write and exit.
 */
#ifndef UMD_HANDLER_H
#define UMD_HANDLER_H

#ifndef __KERNEL__
#include <stddef.h>
#include <linux/types.h>
#endif

/* In the build that shows that a fuzzer finds it: each parser is wrong by one byte. */
#ifndef UMD_PLANTED
#define UMD_PLANTED	0
#endif

/*
 * In the build that shows what a bug allows: a part that is too long overwrites the
 * stack (kit/overflow.h).
 */
#ifndef UMD_OVERFLOW
#define UMD_OVERFLOW	0
#endif

/**
 * struct umd_span - a part of the request
 * @offset: where it begins, in bytes from the request's first byte
 * @length: how many bytes it has
 *
 * The caller checks that it lies within the request. A part that is missing has
 * both zero.
 */
struct umd_span {
	__u32 offset;
	__u32 length;
};

/**
 * typedef umd_parse_t - what a handler does
 * @request: the caller's bytes, which nothing changes until the reply is sent
 * @len: how many there are
 * @reply: the reply, zeroed; it starts with a __s32 for the status
 *
 * Return: the status: 0, or a negative errno, and then nothing of @reply is sent.
 */
typedef int (*umd_parse_t)(const void *request, size_t len, void *reply);

/**
 * umd_serve - answer requests until there are none
 * @parse: called for each request
 * @reply: where @parse builds the reply
 * @size: the reply's length, unless @parse calls umd_reply_length()
 *
 * Messages have a struct umd_frame before them. A request that is longer than
 * UMD_REQUEST_SIZE gets the status -EMSGSIZE.
 */
void umd_serve(umd_parse_t parse, void *reply, size_t size);

/**
 * umd_answer - build the reply to one request
 * @parse: called unless the request is too long
 * @request: the request
 * @len: how many bytes it has
 * @reply: where @parse builds the reply
 * @size: how many bytes @reply has
 *
 * Return: how many of them to send.
 */
size_t umd_answer(umd_parse_t parse, const void *request, size_t len, void *reply, size_t size);

/**
 * umd_reply_length - send only the first bytes of this reply
 * @len: how many: at least the status, at most the size that umd_serve() was given
 *
 * For a caller that uses umd_mgmt_request(). umd_mgmt_send_recv() takes only
 * replies of one length.
 */
void umd_reply_length(size_t len);

/**
 * umd_alloc - take memory from the arena
 * @size: how many bytes
 *
 * All of the arena is given back, and zeroed, before the next request.
 *
 * Return: zeroed memory, or NULL once UMD_ARENA_SIZE bytes are taken.
 */
void *umd_alloc(size_t size);

void umd_arena_reset(void);

#endif
