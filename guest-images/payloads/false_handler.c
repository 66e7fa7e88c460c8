// SPDX-License-Identifier: GPL-2.0-only
/*
 * A handler that lies: it answers every request with the same forged reply.
 *
 * Run in place of a real handler, it shows that the kernel started the attacker's program.
 */
#include "bare.h"

/* struct witness_message (overlay/kernel/umd_witness/message.h): requests and replies alike. */
#define MESSAGE_SIZE 56

int main(int argc, char **argv, char **envp)
{
	unsigned char request[MESSAGE_SIZE], reply[MESSAGE_SIZE];

	(void)argc, (void)argv, (void)envp;
	memset(reply, 0xff, sizeof(reply));
	while (sys(__NR_read, 0, request, sizeof(request)) > 0) {
		if (sys(__NR_write, 1, reply, sizeof(reply)) < 0)
			return 1;
	}
	return 0;
}
