/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the parsers of keys that ask the handler (trust.c). */
#ifndef UMD_WITNESS_TRUST_H
#define UMD_WITNESS_TRUST_H

#include <crypto/public_key.h>
#include <linux/key-type.h>
#include <linux/uio.h>
#include <keys/asymmetric-parser.h>
#include <keys/asymmetric-subtype.h>

#include "../../tools/umd/x509.h"

static inline bool witness_lies_in(struct umd_span inner, struct umd_span outer)
{
	return inner.offset >= outer.offset &&
	       (u64)inner.offset + inner.length <= (u64)outer.offset + outer.length;
}

static inline const void *witness_part(const struct key_preparsed_payload *prep,
				       struct umd_span span)
{
	return prep->data + span.offset;
}

static inline bool witness_is_same(const struct key_preparsed_payload *prep,
				   struct umd_span span, const void *data, size_t len)
{
	return span.length == len && witness_part(prep, span) == data;
}

bool witness_demands_signed_keys(void);
u8 *witness_hash(const char *algorithm, const struct kvec *parts, size_t count, u32 *size);
int witness_digest(struct public_key_signature *sig, const struct kvec *parts, size_t count);
int witness_fill(struct key_preparsed_payload *prep, struct public_key *key,
		 struct public_key_signature *sig, struct asymmetric_key_ids *ids);
const char *witness_hash_name(const struct umd_sig_names *names);
void witness_mark(struct public_key *key, bool is_right);
int witness_add_certificate(struct key_preparsed_payload *prep, const void *said);
int witness_add_message(struct key_preparsed_payload *prep, const void *said);
int witness_add_packets(struct key_preparsed_payload *prep, const void *said);

#endif
