// SPDX-License-Identifier: GPL-2.0-only
/*
 * The witness's handler. It must live under the strictest seccomp mode, so it
 * does without klibc's start-up (mmap, ioctl) and uses read, write and the raw
 * exit, nothing else. What attacks aim at has a name of its own.
 */
#include <stdint.h>
#include <stdlib.h>

#include "answer.h"
#include "framed.h"

__u8 secret[WITNESS_HASH_SIZE];
__u8 chain[WITNESS_HASH_SIZE];
struct witness_message request;
struct witness_message reply;

static inline void send_reply(size_t more)
{
	send_frame(sizeof(reply) + more);
	send(&reply, sizeof(reply));
}

#ifdef WITNESS_PARSER
#include "parser.h"

void *umd_alloc(size_t size);

/* The host looks at all memory of the handler, so all of it has to be there. */
static inline void prepare(void)
{
	__builtin_memset(umd_alloc(UMD_ARENA_SIZE), 0, UMD_ARENA_SIZE);
	umd_arena_reset();
	__builtin_memset(&input, 0, sizeof(input));
	__builtin_memset(parsed, 0, sizeof(parsed));
	asm volatile("" : : "r" (&input), "r" (parsed) : "memory");
}

static inline void receive_all(void)
{
	receive_request(&request, sizeof(request));
	if (request.kind != WITNESS_PARSE)
		return;
	receive(&input.len, sizeof(input.len));
	if (input.len > sizeof(input.data))
		leave();
	receive(input.data, input.len);
}

static inline void send_all(void)
{
	if (request.kind != WITNESS_PARSE) {
		send_reply(0);
		return;
	}
	parse();
	send_reply(sizeof(parsed));
	send(parsed, sizeof(parsed));
}
#else
static inline void prepare(void) { }

static inline void receive_all(void)
{
	receive_request(&request, sizeof(request));
}

static inline void send_all(void)
{
	send_reply(0);
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
	prepare();
	for (;;) {
		receive_all();
		break_out();
		witness_answer(chain, secret, &request, &reply);
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
