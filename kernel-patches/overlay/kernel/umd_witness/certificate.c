// SPDX-License-Identifier: GPL-2.0-only
/*
 * X.509 certificates (RFC 5280) that nobody can predict: numbers, names, times, keys and their
 * lengths are random. What is where in them is known from how they are made. Nobody checks the
 * signature, which is random as well.
 */
#include <crypto/public_key.h>
#include <linux/build_bug.h>
#include <linux/oid_registry.h>
#include <linux/random.h>
#include <linux/string.h>

#include "der.h"

#define LONGEST_KEY	128

static const u8 subject_key[] = { 0x55, 29, 14 };
static const u8 key_usage[] = { 0x55, 29, 15 };
static const u8 basic_constraints[] = { 0x55, 29, 19 };
static const u8 authority_key[] = { 0x55, 29, 35 };

static const u8 rsa[DER_OID_SIZE] = PKCS(1, 1);

static const struct {
	u8 algorithm[DER_OID_SIZE];
	const char *hash;
} signatures[] = {
	{ PKCS(1, 5), "sha1" },
	{ PKCS(1, 11), "sha256" },
	{ PKCS(1, 12), "sha384" },
	{ PKCS(1, 13), "sha512" },
};

static void put_validity(struct witness_input *der, struct umd_x509 *fields)
{
	u32 all = witness_der_begin(der, SEQUENCE);

	fields->valid_from = witness_der_put_time(der);
	fields->valid_to = witness_der_put_time(der);
	witness_der_end(der, all);
}

static void put_key(struct witness_input *der, struct umd_x509 *fields)
{
	u32 all = witness_der_begin(der, SEQUENCE), bits, key;

	fields->params = witness_der_put_algorithm(der, rsa);
	bits = witness_der_begin(der, ASN1_BTS);
	witness_der_put_byte(der, 0);
	key = witness_der_begin(der, SEQUENCE);
	witness_der_put_random(der, ASN1_INT, LONGEST_KEY / 2, LONGEST_KEY);
	witness_der_put_random(der, ASN1_INT, 1, 4);
	witness_der_end(der, key);
	fields->key = witness_der_span(der, bits + 1);
	witness_der_end(der, bits);
	witness_der_end(der, all);
	fields->key_oid = look_up_OID(rsa, sizeof(rsa));
	strscpy(fields->key_algo, "rsa", sizeof(fields->key_algo));
}

struct extension {
	u32 all;
	u32 value;
};

static struct extension begin_extension(struct witness_input *der, const u8 *kind)
{
	struct extension extension = { .all = witness_der_begin(der, SEQUENCE) };

	witness_der_put_short(der, ASN1_OID, kind, sizeof(subject_key));
	extension.value = witness_der_begin(der, ASN1_OTS);
	return extension;
}

static void end_extension(struct witness_input *der, struct extension extension)
{
	witness_der_end(der, extension.value);
	witness_der_end(der, extension.all);
}

/* The random bytes of a key's identifier; returns where they are. */
static struct umd_span put_identifier(struct witness_input *der, u8 tag)
{
	u8 identifier[LONGEST_NUMBER];
	u32 len = get_random_u32_inclusive(8, sizeof(identifier));
	u32 at;

	get_random_bytes(identifier, len);
	at = witness_der_put_short(der, tag, identifier, len);
	return (struct umd_span){ at, len };
}

static void put_usage(struct witness_input *der, struct umd_x509 *fields)
{
	u32 usage = get_random_u32_below(4), ca = get_random_u32_below(2);
	const u8 bits[] = { 2, (usage & 1 ? 0x80 : 0) | (usage & 2 ? 0x04 : 0) };
	const u8 is_ca[] = { ASN1_BOOL, 1, 0xff };
	struct extension extension = begin_extension(der, key_usage);

	witness_der_put_short(der, ASN1_BTS, bits, sizeof(bits));
	end_extension(der, extension);
	extension = begin_extension(der, basic_constraints);
	witness_der_put_short(der, SEQUENCE, is_ca, ca ? sizeof(is_ca) : 0);
	end_extension(der, extension);
#ifdef KEY_EFLAG_CA /* since 6.4 */
	fields->usage = ca << KEY_EFLAG_CA | (usage & 1) << KEY_EFLAG_DIGITALSIG |
			(usage >> 1) << KEY_EFLAG_KEYCERTSIGN;
#endif
}

static void put_extensions(struct witness_input *der, struct umd_x509 *fields)
{
	u32 all = witness_der_begin(der, CONTEXT(3)), list = witness_der_begin(der, SEQUENCE);
	struct extension extension = begin_extension(der, subject_key);
	u32 identifier;

	fields->skid = put_identifier(der, ASN1_OTS);
	end_extension(der, extension);
	extension = begin_extension(der, authority_key);
	identifier = witness_der_begin(der, SEQUENCE);
	fields->authority_key = put_identifier(der, ASN1_CONT << 6);
	witness_der_end(der, identifier);
	end_extension(der, extension);
	put_usage(der, fields);
	witness_der_end(der, list);
	witness_der_end(der, all);
}

static void put_signed(struct witness_input *der, struct umd_x509 *fields, const u8 *algorithm)
{
	u32 from = der->len, all = witness_der_begin(der, SEQUENCE), version;
	const u8 third = 2;

	version = witness_der_begin(der, CONTEXT(0));
	witness_der_put_short(der, ASN1_INT, &third, sizeof(third));
	witness_der_end(der, version);
	fields->serial = witness_der_put_random(der, ASN1_INT, 4, LONGEST_NUMBER);
	witness_der_put_algorithm(der, algorithm);
	fields->issuer = witness_der_put_name(der, &fields->issuer_name);
	put_validity(der, fields);
	fields->subject = witness_der_put_name(der, &fields->subject_name);
	put_key(der, fields);
	put_extensions(der, fields);
	witness_der_end(der, all);
	fields->tbs = witness_der_span(der, from);
}

/**
 * witness_make_certificate - make a certificate that no handler has seen
 * @der: where it goes: WITNESS_INPUT_SIZE bytes of zero
 * @parsed: where the reply goes that a handler has to make, zeroed
 */
void witness_make_certificate(struct witness_input *der, void *parsed)
{
	u32 chosen = get_random_u32_below(ARRAY_SIZE(signatures));
	struct umd_x509 *fields = parsed;
	u32 all, bits;

	BUILD_BUG_ON(sizeof(*fields) > WITNESS_PARSED_SIZE);
	all = witness_der_begin(der, SEQUENCE);
	put_signed(der, fields, signatures[chosen].algorithm);
	witness_der_put_algorithm(der, signatures[chosen].algorithm);
	bits = witness_der_begin(der, ASN1_BTS);
	witness_der_put_byte(der, 0);
	fields->signature.offset = der->len;
	fields->signature.length = get_random_u32_inclusive(LONGEST_KEY / 2, LONGEST_KEY);
	get_random_bytes(der->data + der->len, fields->signature.length);
	der->len += fields->signature.length;
	witness_der_end(der, bits);
	witness_der_end(der, all);
	witness_der_name_rsa(&fields->sig, signatures[chosen].hash);
}
