// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is at stake if a parser lies about keys. add_key(2) hands a file to the handler. Of the
 * reply, each part has to lie within what was handed over. The kernel's own parser says which key
 * is in the file. If a signature is verified with another key, the handler has made the kernel
 * trust a key that nobody has signed.
 */
#include <crypto/hash.h>
#include <linux/err.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "trust.h"
#include "witness.h"

static const char right[] = "UMD";
static const char forged[] = "UMD, forged";

static struct asymmetric_key_subtype subtype;

static bool nested;
module_param(nested, bool, 0);
MODULE_PARM_DESC(nested, "a key has to lie in what is signed, too");

bool witness_demands_signed_keys(void)
{
	return nested;
}

static void put_digest(struct public_key_signature *sig, u8 *digest, u32 size)
{
#ifdef WITNESS_SIGNED_MESSAGE
	sig->m = digest;
	sig->m_size = size;
	sig->m_free = true;
#else
	sig->digest = digest;
	sig->digest_size = size;
#endif
}

static int update(struct shash_desc *desc, const struct kvec *parts, size_t count)
{
	int ret = crypto_shash_init(desc);

	for (; !ret && count; count--, parts++)
		ret = crypto_shash_update(desc, parts->iov_base, parts->iov_len);
	return ret;
}

/* Compute the digest of all parts in order, by the hash algorithm of @sig, and store it in @sig. */
int witness_digest(struct public_key_signature *sig, const struct kvec *parts, size_t count)
{
	struct crypto_shash *hash = crypto_alloc_shash(sig->hash_algo, 0, 0);
	struct shash_desc *desc;
	int ret = -ENOMEM;
	u8 *digest;

	if (IS_ERR(hash))
		return PTR_ERR(hash);

	desc = kzalloc(sizeof(*desc) + crypto_shash_descsize(hash), GFP_KERNEL);
	digest = kmalloc(crypto_shash_digestsize(hash), GFP_KERNEL);
	put_digest(sig, digest, crypto_shash_digestsize(hash));
	if (desc && digest) {
		desc->tfm = hash;
		ret = update(desc, parts, count) ?: crypto_shash_final(desc, digest);
	}
	kfree(desc);
	crypto_free_shash(hash);
	return ret;
}

/* What is there is freed by whoever asked. A key without a description is a bug to the kernel. */
int witness_fill(struct key_preparsed_payload *prep, struct public_key *key,
		 struct public_key_signature *sig, struct asymmetric_key_ids *ids)
{
	prep->payload.data[asym_subtype] = &subtype;
	prep->payload.data[asym_key_ids] = ids;
	prep->payload.data[asym_crypto] = key;
	prep->payload.data[asym_auth] = sig;
	prep->quotalen = 100;
	return key && sig && ids && prep->description ? 0 : -ENOMEM;
}

void witness_mark(struct public_key *key, bool is_right)
{
	key->id_type = is_right ? right : forged;
}

static int verify(const struct key *key, const struct public_key_signature *sig)
{
	int ret = public_key_subtype.verify_signature(key, sig);

	if (!ret && asymmetric_key_public_key(key)->id_type == forged)
		witness_note(WITNESS_BELIEVED);
	return ret;
}

/*
 * The kernel asks parsers in the order of their registration. Call this before module_init(), in
 * which the kernel's own parsers register.
 */
int witness_register(struct asymmetric_key_parser *parser)
{
	subtype = public_key_subtype;
	subtype.verify_signature = verify;
	return register_asymmetric_key_parser(parser);
}
