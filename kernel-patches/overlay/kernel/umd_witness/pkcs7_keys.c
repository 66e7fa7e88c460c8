// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keys from PKCS #7 messages, as the handler parses these (trust.c). The content is a public key. A
 * key in the kernel has signed the attributes, which contain the digest of the content.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/key-type.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "../../crypto/asymmetric_keys/pkcs7_parser.h"
#include "../../tools/umd/pkcs7.h"
#include "der.h"
#include "trust.h"
#include "witness.h"

static bool is_plausible(const struct umd_pkcs7 *fields, size_t len)
{
	const struct umd_span *span = &fields->signers->signature, all = { 0, len };

	if (!witness_lies_in(fields->data, all))
		return false;
	for (; (const void *)span < (const void *)(fields + 1); span++)
		if (!witness_lies_in(*span, all))
			return false;
	return !witness_demands_signed_keys() ||
	       witness_lies_in(fields->signers->digest, fields->signers->authattrs);
}

static bool is_supported(const struct umd_pkcs7 *fields)
{
	return fields->signer_count == 1 && fields->data.length &&
	       fields->signers->authattrs.length && witness_hash_name(&fields->signers->sig);
}

/* Returns -EKEYREJECTED if the attributes have the digest of another content. */
static int check_content(const struct key_preparsed_payload *prep, const struct umd_pkcs7 *fields)
{
	const struct kvec content = {
		(void *)witness_part(prep, fields->data), fields->data.length
	};
	struct umd_span said = fields->signers->digest;
	u32 size;
	u8 *digest = witness_hash(witness_hash_name(&fields->signers->sig), &content, 1, &size);
	int ret = 0;

	if (IS_ERR(digest))
		return PTR_ERR(digest);
	if (said.length != size || memcmp(witness_part(prep, said), digest, size))
		ret = -EKEYREJECTED;
	kfree(digest);
	return ret;
}

static struct public_key *make_key(const struct key_preparsed_payload *prep,
				   const struct umd_pkcs7 *fields)
{
	struct public_key *key = kzalloc(sizeof(*key), GFP_KERNEL);

	if (!key)
		return NULL;

	key->key = kmemdup(witness_part(prep, fields->data), fields->data.length, GFP_KERNEL);
	if (!key->key) {
		kfree(key);
		return NULL;
	}
	key->keylen = fields->data.length;
	key->pkey_algo = "rsa";
	return key;
}

static struct public_key_signature *make_signature(const struct key_preparsed_payload *prep,
						   const struct umd_pkcs7 *fields)
{
	struct public_key_signature *sig = kzalloc(sizeof(*sig), GFP_KERNEL);
	const struct umd_pkcs7_signer *said = fields->signers;
	u8 set = SET;
	const struct kvec attributes[] = {
		{ &set, sizeof(set) },
		{ (void *)witness_part(prep, said->authattrs), said->authattrs.length },
	};
	struct asymmetric_key_id *id;

	if (!sig)
		return NULL;

	sig->pkey_algo = "rsa";
	sig->encoding = "pkcs1";
	sig->hash_algo = witness_hash_name(&said->sig);
	id = asymmetric_key_generate_id(witness_part(prep, said->serial), said->serial.length,
					witness_part(prep, said->issuer), said->issuer.length);
	sig->auth_ids[0] = IS_ERR(id) ? NULL : id;
	sig->s = kmemdup(witness_part(prep, said->signature), said->signature.length, GFP_KERNEL);
	sig->s_size = said->signature.length;
	if (!sig->auth_ids[0] || !sig->s ||
	    witness_digest(sig, attributes, ARRAY_SIZE(attributes))) {
		public_key_signature_free(sig);
		return NULL;
	}
	return sig;
}

static bool is_same_signer(const struct key_preparsed_payload *prep,
			   const struct umd_pkcs7 *fields,
			   const struct public_key_signature *sig,
			   const struct pkcs7_signed_info *info)
{
	const struct umd_pkcs7_signer *said = fields->signers;
	size_t tag;

	if (!info || info->next || !info->authattrs)
		return false;
	tag = umd_pkcs7_tag(info->authattrs);
	return witness_is_same(prep, said->digest, info->msgdigest, info->msgdigest_len) &&
	       witness_is_same(prep, said->authattrs, info->authattrs + tag,
			       info->authattrs_len - tag) &&
	       sig->s_size == info->sig->s_size &&
	       !memcmp(sig->s, info->sig->s, sig->s_size) &&
	       !strcmp(sig->pkey_algo, info->sig->pkey_algo) &&
	       !strcmp(sig->encoding, info->sig->encoding) &&
	       !strcmp(sig->hash_algo, info->sig->hash_algo) &&
	       asymmetric_key_id_same(sig->auth_ids[0], info->sig->auth_ids[0]);
}

/*
 * Whether the kernel's own parser finds this content, and this signature, and no other. An honest
 * handler has the same parser.
 */
static int holds(const struct key_preparsed_payload *prep, const struct umd_pkcs7 *fields,
		 const struct public_key_signature *sig)
{
	struct pkcs7_message *message;
	u64 begin = ktime_get_ns();
	bool same;

	message = pkcs7_parse_message(prep->data, prep->datalen);
	witness_note_parse(begin);
	if (IS_ERR(message))
		return PTR_ERR(message) == -ENOMEM ? -ENOMEM : false;

	same = witness_is_same(prep, fields->data, message->data, message->data_len) &&
	       is_same_signer(prep, fields, sig, message->signed_infos);
	pkcs7_free_message(message);
	return same;
}

static int fill(struct key_preparsed_payload *prep, const struct umd_pkcs7 *fields)
{
	struct public_key *key = make_key(prep, fields);
	struct public_key_signature *sig = make_signature(prep, fields);
	struct asymmetric_key_ids *ids = kzalloc(sizeof(*ids), GFP_KERNEL);
	int held;

	/* No hash is shorter. */
	prep->description = kasprintf(GFP_KERNEL, "PKCS#7: %20phN",
				      witness_part(prep, fields->signers->digest));
	if (witness_fill(prep, key, sig, ids))
		return -ENOMEM;

	held = holds(prep, fields, sig);
	if (held >= 0)
		witness_mark(key, held);
	return min(held, 0);
}

int witness_add_message(struct key_preparsed_payload *prep, const void *said)
{
	if (!is_plausible(said, prep->datalen))
		return -EINVAL;
	if (!is_supported(said))
		return -ENOPKG;
	return check_content(prep, said) ?: fill(prep, said);
}
