/* SPDX-License-Identifier: GPL-2.0-only */
/* What the witness and its handler say to each other; both are this kernel's. */
#ifndef UMD_WITNESS_MESSAGE_H
#define UMD_WITNESS_MESSAGE_H

#include <linux/types.h>

#define WITNESS_HASH_SIZE	32
#define WITNESS_INPUT_SIZE	2044
#define WITNESS_PARSED_SIZE	320
/* Of the handler that parses packages: struct umd_rpm has 4096 digests. */
#define WITNESS_PACKAGE_SIZE	(128 << 10)
#define WITNESS_DIGESTS_SIZE	(20 + 4096 * 8)

enum witness_kind {
	WITNESS_START = 1,	/* body: the secret; the chain is then its hash */
	WITNESS_ASK = 2,	/* body: noise; the chain then covers this and the secret */
	WITNESS_BREAK_OUT = 3,	/* like ASK; body[0]: a way out to try before replying */
	WITNESS_PARSE = 4,	/* like ASK; an input follows, and the reply has what is in it */
};

/* What the handler with a backdoor knows to do. The host's names: harness/witness/handler.py. */
enum witness_way_out {
	WITNESS_OPENAT = 1,
	WITNESS_INT80 = 2,
	WITNESS_X32 = 3,
	WITNESS_IO_URING = 4,
	WITNESS_SIGRETURN = 5,
	WITNESS_STACK = 6,
	WITNESS_FLOOD = 7,
	WITNESS_OVERSIZED = 8,
	WITNESS_LATE = 9,
	WITNESS_INT80_READ = 10,
	WITNESS_INT80_NONE = 11,
	WITNESS_CALL = 12,	/* of which the body is a struct witness_call */
};

/* A system call that the handler with a backdoor is to make. */
struct witness_call {
	__u8 way;		/* WITNESS_CALL */
	__u8 is_compat;		/* by int 0x80, where system calls have other numbers */
	__u16 unused;
	__u32 number;
	__u64 arguments[3];
};

/* A reply repeats kind, number and nonce, and its body is the chain. */
struct witness_message {
	__u32 kind;
	__u32 number;
	__u8 nonce[16];
	__u8 body[WITNESS_HASH_SIZE];
};

/* Follows the message of WITNESS_PARSE. Of the data, so many bytes are sent as the length says. */
struct witness_input {
	__u32 len;
	__u8 data[WITNESS_PACKAGE_SIZE];
};

#endif
