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

#ifdef WITNESS_BACKDOOR
#include "backdoor.h"
#else
static inline void break_out(void) { }
static inline void break_out_again(void) { }
#endif

/* A parser's secrets lie on its stack as well. */
static void serve(__u8 kept[WITNESS_HASH_SIZE])
{
	for (;;) {
		receive_request(&request, sizeof(request));
		break_out();
		witness_answer(chain, secret, &request, &reply);
		__builtin_memcpy(kept, secret, WITNESS_HASH_SIZE);
		asm volatile("" : : "r" (kept) : "memory");
		send_reply(&reply, sizeof(reply));
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
