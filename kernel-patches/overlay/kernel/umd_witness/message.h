/* SPDX-License-Identifier: GPL-2.0-only */
/* What the witness and its handler say to each other; both are this kernel's. */
#ifndef UMD_WITNESS_MESSAGE_H
#define UMD_WITNESS_MESSAGE_H

#include <linux/types.h>

#define WITNESS_HASH_SIZE	32

enum witness_kind {
	WITNESS_START = 1,	/* body: the secret; the chain is then its hash */
	WITNESS_ASK = 2,	/* body: noise; the chain then covers this request */
};

/* A reply repeats kind, number and nonce, and its body is the chain. */
struct witness_message {
	__u32 kind;
	__u32 number;
	__u8 nonce[16];
	__u8 body[WITNESS_HASH_SIZE];
};

#endif
