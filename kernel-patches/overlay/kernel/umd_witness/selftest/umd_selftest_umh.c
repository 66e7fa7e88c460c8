// SPDX-License-Identifier: GPL-2.0-only
/* The self-test's handler: takes and gives pieces of what a pipe holds. */
#include <stdint.h>

#include "../transfer.h"
#include "selftest.h"

static __u8 piece[65536];

static __u32 minimum(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

/* Receives a message; returns its sum, and the order of the reply to it. */
static __u32 receive_message(__u8 *reply_order)
{
	__u8 head[2];
	__u32 sum, left, n;

	receive(head, 1);
	if (head[0] & SELFTEST_SINGLE) {
		*reply_order = head[0] & ~SELFTEST_SINGLE;
		return selftest_sum(0, head, 1);
	}
	receive(head + 1, 1);
	*reply_order = head[1];
	sum = selftest_sum(0, head, 2);

	for (left = (1U << head[0]) - 2; left; left -= n) {
		n = minimum(left, sizeof(piece));
		receive(piece, n);
		sum = selftest_sum(sum, piece, n);
	}
	return sum;
}

static void send_reply(__u32 sum, __u32 len)
{
	__u32 place, n, i;

	for (place = 0; place < len; place += n) {
		n = minimum(len - place, sizeof(piece));
		for (i = 0; i < n; i++)
			piece[i] = selftest_byte(sum, place + i);
		send(piece, n);
	}
}

void __libc_init(uintptr_t *elfdata, void (*onexit)(void))
{
	__u8 reply_order;
	__u32 sum;

	for (;;) {
		sum = receive_message(&reply_order);
		if (reply_order & SELFTEST_CALL)
			getppid();
		reply_order &= ~SELFTEST_CALL;
		if (reply_order > SELFTEST_ORDER_MAX)
			leave();
		send_reply(sum, 1U << reply_order);
	}
}

/* klibc's crt0 wants one; it is never reached. */
int main(void)
{
	return 0;
}
