// SPDX-License-Identifier: GPL-2.0-only
/*
 * The witness's handler. It must live under the strictest seccomp mode, so it
 * does without klibc's start-up (mmap, ioctl) and uses read, write and the raw
 * exit, nothing else. What attacks aim at has a name of its own.
 */
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "answer.h"

__u8 secret[WITNESS_HASH_SIZE];
__u8 chain[WITNESS_HASH_SIZE];
struct witness_message request;
struct witness_message reply;

static void leave(void)
{
	for (;;)
		asm volatile("syscall" : : "a" (__NR_exit), "D" (0)
			     : "rcx", "r11", "memory");
}

static void receive(void *to, size_t len)
{
	while (len) {
		ssize_t n = read(0, to, len);

		if (n <= 0)
			leave();
		to += n;
		len -= n;
	}
}

static void send(const void *from, size_t len)
{
	while (len) {
		ssize_t n = write(1, from, len);

		if (n <= 0)
			leave();
		from += n;
		len -= n;
	}
}

void __libc_init(uintptr_t *elfdata, void (*onexit)(void))
{
	for (;;) {
		receive(&request, sizeof(request));
		witness_answer(chain, secret, &request, &reply);
		send(&reply, sizeof(reply));
	}
}

/* klibc's crt0 wants one; it is never reached. */
int main(void)
{
	return 0;
}
