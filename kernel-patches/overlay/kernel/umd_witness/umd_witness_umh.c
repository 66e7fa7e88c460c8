// SPDX-License-Identifier: GPL-2.0-only
/*
 * The witness's handler. It must live under the strictest seccomp mode, so it
 * does without klibc's start-up (mmap, ioctl) and uses read, write and the raw
 * exit, nothing else. What attacks aim at has a name of its own.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "answer.h"
#include "framed.h"
#ifdef WITNESS_PARSER
#include "parser.h"
#else
#define PARSED_ROOM	0
#endif

__u8 secret[WITNESS_HASH_SIZE];
__u8 chain[WITNESS_HASH_SIZE];
struct witness_message request;

/*
 * Each write wakes the kernel's worker, which runs at once. So all of a reply is in one piece, and
 * one write sends it.
 */
struct {
	struct umd_frame outer;
	struct witness_message reply;
	__u8 parsed[PARSED_ROOM];
} sent __attribute__((nocommon));

/* For the host, and for the exploits. */
static inline void name_parts(void)
{
	asm volatile(".globl outer, reply, parsed\n"
		     ".set outer, sent\n"
		     ".set reply, sent + %c0\n"
		     ".set parsed, sent + %c1"
		     : : "i" (offsetof(typeof(sent), reply)),
			 "i" (offsetof(typeof(sent), parsed)));
}

#ifdef WITNESS_PARSER
void *umd_alloc(size_t size);

/* The host looks at all memory of the handler, so all of it has to be there. */
static inline void prepare(void)
{
	__builtin_memset(umd_alloc(UMD_ARENA_SIZE), 0, UMD_ARENA_SIZE);
	umd_arena_reset();
	__builtin_memset(&input, 0, sizeof(input));
	__builtin_memset(sent.parsed, 0, sizeof(sent.parsed));
	asm volatile("" : : "r" (&input), "r" (sent.parsed) : "memory");
}

static inline void receive_all(void)
{
	receive_request(&sent.outer, &request, sizeof(request));
	if (request.kind != WITNESS_PARSE)
		return;
	receive(&input.len, sizeof(input.len));
	if (input.len > sizeof(input.data))
		leave();
	receive(input.data, input.len);
}

static inline void send_all(void)
{
	size_t len = sizeof(sent.reply);

	if (request.kind == WITNESS_PARSE) {
		parse(sent.parsed);
		len += sizeof(sent.parsed);
	}
	send_reply(&sent.outer, len);
}
#else
static inline void prepare(void) { }

static inline void receive_all(void)
{
	receive_request(&sent.outer, &request, sizeof(request));
}

static inline void send_all(void)
{
	send_reply(&sent.outer, sizeof(sent.reply));
}
#endif

#ifdef WITNESS_BACKDOOR
#include "backdoor.h"
#else
static inline void break_out(void) { }
static inline void break_out_again(void) { }
#endif

/* A parser's secrets lie on its stack as well. */
static void serve(__u8 kept[WITNESS_HASH_SIZE])
{
	name_parts();
	prepare();
	for (;;) {
		receive_all();
		break_out();
		witness_answer(chain, secret, &request, &sent.reply);
		__builtin_memcpy(kept, secret, WITNESS_HASH_SIZE);
		asm volatile("" : : "r" (kept) : "memory");
		send_all();
		break_out_again();
	}
}

void __libc_init(uintptr_t *elfdata, void (*onexit)(void))
{
	__u8 kept[WITNESS_HASH_SIZE];

	serve(kept);
}

/* klibc's crt0 wants one; it is never reached. */
int main(void)
{
	return 0;
}
