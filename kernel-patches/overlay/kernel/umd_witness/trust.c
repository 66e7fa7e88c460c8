// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is at stake if a parser lies about keys. add_key(2) hands a file to the handler. Of the
 * reply, each part has to lie within what was handed over. The kernel's own parser says which key
 * is in the file. If a signature is verified with another key, the handler has made the kernel
 * trust a key that nobody has signed.
 */
#include <crypto/hash.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "trust.h"
#include "witness.h"

static const char right[] = "UMD";
static const char forged[] = "UMD, forged";

static struct asymmetric_key_subtype subtype;

static bool nested;
module_param(nested, bool, 0);
MODULE_PARM_DESC(nested, "a key, or its digest, has to lie in what is signed, too");

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

/* Returns the digest of all parts in order, which the caller frees, or an error. */
u8 *witness_hash(const char *algorithm, const struct kvec *parts, size_t count, u32 *size)
{
	struct crypto_shash *hash = crypto_alloc_shash(algorithm, 0, 0);
	struct shash_desc *desc;
	int ret = -ENOMEM;
	u8 *digest;

	if (IS_ERR(hash))
		return PTR_ERR(hash) == -ENOENT ? ERR_PTR(-ENOPKG) : ERR_CAST(hash);

	*size = crypto_shash_digestsize(hash);
	desc = kzalloc(sizeof(*desc) + crypto_shash_descsize(hash), GFP_KERNEL);
	digest = kmalloc(*size, GFP_KERNEL);
	if (desc && digest) {
		desc->tfm = hash;
		ret = update(desc, parts, count) ?: crypto_shash_final(desc, digest);
	}
	kfree(desc);
	crypto_free_shash(hash);
	if (ret) {
		kfree(digest);
		return ERR_PTR(ret);
	}
	return digest;
}

/* Compute the digest of all parts in order, by the hash algorithm of @sig, and store it in @sig. */
int witness_digest(struct public_key_signature *sig, const struct kvec *parts, size_t count)
{
	u32 size;
	u8 *digest = witness_hash(sig->hash_algo, parts, count, &size);

	if (IS_ERR(digest))
		return PTR_ERR(digest);
	put_digest(sig, digest, size);
	return 0;
}

static bool is_name(const char *name, size_t size, const char *wanted)
{
	return !strncmp(name, wanted, size);
}

/* The hash algorithm of an RSA signature, or NULL if the signature is not supported. */
const char *witness_hash_name(const struct umd_sig_names *names)
{
	static const char * const hashes[] = { "sha1", "sha256", "sha384", "sha512" };

	if (!is_name(names->algo, sizeof(names->algo), "rsa") ||
	    !is_name(names->encoding, sizeof(names->encoding), "pkcs1"))
		return NULL;
	for (int i = 0; i < ARRAY_SIZE(hashes); i++)
		if (is_name(names->hash, sizeof(names->hash), hashes[i]))
			return hashes[i];
	return NULL;
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

/* Makes a key of a file from what the handler has said of it. */
typedef int (*add_t)(struct key_preparsed_payload *prep, const void *said);

static add_t adds(enum witness_program program)
{
	if (IS_ENABLED(CONFIG_UMD_WITNESS_X509) && program == WITNESS_X509)
		return witness_add_certificate;
	if (IS_ENABLED(CONFIG_UMD_WITNESS_PKCS7) && program == WITNESS_PKCS7)
		return witness_add_message;
	if (IS_ENABLED(CONFIG_UMD_WITNESS_PGP) && program == WITNESS_PGP)
		return witness_add_packets;
	return NULL;
}

static int parse(struct key_preparsed_payload *prep)
{
	add_t add = adds(witness_parser());
	void *said;
	int ret;

	if (!add || system_state != SYSTEM_RUNNING)
		return -EBADMSG;

	said = kzalloc(WITNESS_PARSED_SIZE, GFP_KERNEL);
	if (!said)
		return -ENOMEM;

	ret = witness_ask_about(prep->data, prep->datalen, said);
	/* What the handler refuses is not for the kernel's own parsers, asked after -EBADMSG. */
	if (ret == -EBADMSG)
		ret = -EINVAL;
	if (!ret)
		ret = add(prep, said);
	kfree(said);
	return ret;
}

static struct asymmetric_key_parser parser = {
	.name = "umd_witness",
	.parse = parse,
};

/*
 * The kernel asks parsers in the order of their registration. Its own parsers register in
 * module_init(), which comes later.
 */
static int __init trust_init(void)
{
	subtype = public_key_subtype;
	subtype.verify_signature = verify;
	return register_asymmetric_key_parser(&parser);
}
subsys_initcall(trust_init);
