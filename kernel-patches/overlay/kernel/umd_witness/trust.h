/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the parsers of keys that ask the handler (trust.c). */
#ifndef UMD_WITNESS_TRUST_H
#define UMD_WITNESS_TRUST_H

#include <crypto/public_key.h>
#include <linux/key-type.h>
#include <linux/uio.h>
#include <keys/asymmetric-parser.h>
#include <keys/asymmetric-subtype.h>

#include "../../tools/umd/kit/umd_handler.h"

static inline bool witness_lies_in(struct umd_span inner, struct umd_span outer)
{
	return inner.offset >= outer.offset &&
	       (u64)inner.offset + inner.length <= (u64)outer.offset + outer.length;
}

bool witness_demands_signed_keys(void);
int witness_digest(struct public_key_signature *sig, const struct kvec *parts, size_t count);
int witness_fill(struct key_preparsed_payload *prep, struct public_key *key,
		 struct public_key_signature *sig, struct asymmetric_key_ids *ids);
void witness_mark(struct public_key *key, bool is_right);
int witness_register(struct asymmetric_key_parser *parser);

#endif
