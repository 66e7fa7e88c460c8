// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sample's handler: answers until its input ends. It runs under strict
 * seccomp, so it does without klibc's start-up (mmap, ioctl) and uses read,
 * write and the raw exit, nothing else.
 */
#include <linux/types.h>
#include <stdint.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "sample.h"

static __u8 reply[SAMPLE_REPLY_SIZE];

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
	__u32 offset;

	for (;;) {
		receive(&offset, sizeof(offset));
		if (offset < sizeof(reply))
			reply[offset] = 1;
		send(reply, sizeof(reply));
		if (offset < sizeof(reply))
			reply[offset] = 0;
	}
}

/* klibc's crt0 wants one; it is never reached. */
int main(void)
{
	return 0;
}
