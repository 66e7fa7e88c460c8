// SPDX-License-Identifier: GPL-2.0-only
/* Keys from certificates, as the handler parses these (trust.c). */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/key-type.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "../../crypto/asymmetric_keys/x509_parser.h"
#include "../../tools/umd/x509.h"
#include "trust.h"
#include "witness.h"

/* All parts of the reply, from its first span to its end. */
static bool is_plausible(const struct umd_x509 *fields, size_t len)
{
	const struct umd_span *span = &fields->tbs, all = { 0, len };

	for (; (const void *)span < (const void *)(fields + 1); span++)
		if (!witness_lies_in(*span, all))
			return false;
	return !witness_demands_signed_keys() || witness_lies_in(fields->key, fields->tbs);
}

static bool is_supported(const struct umd_x509 *fields)
{
	return !strncmp(fields->key_algo, "rsa", sizeof(fields->key_algo)) &&
	       witness_hash_name(&fields->sig);
}

#ifdef KEY_EFLAG_CA
static void set_usage(struct public_key *key, u32 usage)
{
	key->key_eflags = usage;
}

static u32 usage_of(const struct public_key *key)
{
	return key->key_eflags;
}
#else /* before 6.4 */
static void set_usage(struct public_key *key, u32 usage) { }

static u32 usage_of(const struct public_key *key)
{
	return 0;
}
#endif

static struct public_key *make_key(const struct key_preparsed_payload *prep,
				   const struct umd_x509 *fields)
{
	struct public_key *key = kzalloc(sizeof(*key), GFP_KERNEL);

	if (!key)
		return NULL;

	key->key = kmemdup(witness_part(prep, fields->key), fields->key.length, GFP_KERNEL);
	key->params = kmemdup(witness_part(prep, fields->params), fields->params.length,
			      GFP_KERNEL);
	if (!key->key || !key->params) {
		public_key_free(key);
		return NULL;
	}
	key->keylen = fields->key.length;
	key->paramlen = fields->params.length;
	key->algo = fields->key_oid;
	key->pkey_algo = "rsa";
	set_usage(key, fields->usage);
	return key;
}

static struct asymmetric_key_id *make_id(const struct key_preparsed_payload *prep,
					 struct umd_span first, struct umd_span second)
{
	struct asymmetric_key_id *id;

	if (!first.length)
		return NULL;
	id = asymmetric_key_generate_id(witness_part(prep, first), first.length,
					witness_part(prep, second), second.length);
	return IS_ERR(id) ? NULL : id;
}

static struct public_key_signature *make_signature(const struct key_preparsed_payload *prep,
						   const struct umd_x509 *fields)
{
	struct public_key_signature *sig = kzalloc(sizeof(*sig), GFP_KERNEL);
	const struct umd_span none = { };
	struct kvec tbs;

	if (!sig)
		return NULL;

	tbs.iov_base = (void *)witness_part(prep, fields->tbs);
	tbs.iov_len = fields->tbs.length;
	sig->pkey_algo = "rsa";
	sig->encoding = "pkcs1";
	sig->hash_algo = witness_hash_name(&fields->sig);
	sig->auth_ids[0] = make_id(prep, fields->authority_serial, fields->authority_issuer);
	sig->auth_ids[1] = make_id(prep, fields->authority_key, none);
	sig->auth_ids[2] = make_id(prep, fields->issuer, none);
	sig->s = kmemdup(witness_part(prep, fields->signature), fields->signature.length,
			 GFP_KERNEL);
	sig->s_size = fields->signature.length;
	if (!sig->s || witness_digest(sig, &tbs, 1)) {
		public_key_signature_free(sig);
		return NULL;
	}
	return sig;
}

static struct asymmetric_key_ids *make_ids(const struct key_preparsed_payload *prep,
					   const struct umd_x509 *fields)
{
	struct asymmetric_key_ids *ids = kzalloc(sizeof(*ids), GFP_KERNEL);
	const struct umd_span none = { };

	if (!ids)
		return NULL;

	ids->id[0] = make_id(prep, fields->serial, fields->issuer);
	ids->id[1] = make_id(prep, fields->skid, none);
	ids->id[2] = make_id(prep, fields->subject, none);
	return ids;
}

static bool is_same_id(const struct asymmetric_key_id *id, const struct asymmetric_key_id *other)
{
	return id && other ? asymmetric_key_id_same(id, other) : id == other;
}

/*
 * Whether the kernel's own parser finds this key, its usage and identifiers, and this signature,
 * and no other, in the certificate. An error of its own says nothing, but for one: this is no
 * certificate.
 */
static int holds(const struct key_preparsed_payload *prep, const struct umd_x509 *fields,
		 const struct public_key *key, const struct public_key_signature *sig,
		 const struct asymmetric_key_ids *ids)
{
	struct x509_certificate *cert;
	u64 begin = ktime_get_ns();
	bool same;

	cert = x509_cert_parse(prep->data, prep->datalen);
	witness_note_parse(begin);
	if (IS_ERR(cert))
		return PTR_ERR(cert) == -EBADMSG ? false : PTR_ERR(cert);

	same = cert->pub->keylen == key->keylen &&
	       !memcmp(cert->pub->key, key->key, key->keylen) &&
	       usage_of(cert->pub) == usage_of(key) &&
	       witness_is_same(prep, fields->tbs, cert->tbs, cert->tbs_size) &&
	       witness_is_same(prep, fields->signature, cert->raw_sig, cert->raw_sig_size) &&
	       witness_is_same(prep, fields->issuer, cert->raw_issuer, cert->raw_issuer_size) &&
	       witness_is_same(prep, fields->subject, cert->raw_subject, cert->raw_subject_size) &&
	       is_same_id(cert->id, ids->id[0]) && is_same_id(cert->skid, ids->id[1]) &&
	       is_same_id(cert->sig->auth_ids[0], sig->auth_ids[0]) &&
	       is_same_id(cert->sig->auth_ids[1], sig->auth_ids[1]);
	x509_free_certificate(cert);
	return same;
}

static int fill(struct key_preparsed_payload *prep, const struct umd_x509 *fields)
{
	struct public_key *key = make_key(prep, fields);
	struct public_key_signature *sig = make_signature(prep, fields);
	struct asymmetric_key_ids *ids = make_ids(prep, fields);
	const char *name = witness_part(prep, fields->subject_name.rest);
	int held;

	/* A key with an empty description is a bug to the kernel, and a name may be empty. */
	prep->description = kasprintf(GFP_KERNEL, "%.*s: %*phN", fields->subject_name.rest.length,
				      name, fields->serial.length,
				      witness_part(prep, fields->serial));
	if (witness_fill(prep, key, sig, ids))
		return -ENOMEM;

	held = holds(prep, fields, key, sig, ids);
	if (held >= 0)
		witness_mark(key, held);
	return min(held, 0);
}

int witness_add_certificate(struct key_preparsed_payload *prep, const void *said)
{
	if (!is_plausible(said, prep->datalen))
		return -EINVAL;
	if (!is_supported(said))
		return -ENOPKG;
	return fill(prep, said);
}
