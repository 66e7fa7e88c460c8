// SPDX-License-Identifier: GPL-2.0-only
/*
 * PKCS #7 messages (RFC 2315, RFC 5652) that nobody can predict: content, digest, signer, time,
 * signature and their lengths are random. What is where in them is known from how they are made.
 * Nobody checks digest and signature, which are random as well.
 */
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/oid_registry.h>
#include <linux/random.h>
#include <linux/string.h>

#include "../../crypto/asymmetric_keys/pkcs7_parser.h"
#include "../../tools/umd/pkcs7.h"
#include "der.h"

#define LONGEST_CONTENT		600
#define LONGEST_SIGNATURE	256

/* RFC 5652: a signer is named by issuer and number, or else by the identifier of its key. */
#define BY_NUMBER		1
#define BY_KEY			3

static const u8 rsa[DER_OID_SIZE] = PKCS(1, 1);
static const u8 data[DER_OID_SIZE] = PKCS(7, 1);
static const u8 signed_data[DER_OID_SIZE] = PKCS(7, 2);
static const u8 content_type[DER_OID_SIZE] = PKCS(9, 3);
static const u8 message_digest[DER_OID_SIZE] = PKCS(9, 4);
static const u8 signing_time[DER_OID_SIZE] = PKCS(9, 5);

#define SHA2(number)	{ 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, number }

static const struct hash {
	u8 algorithm[DER_OID_SIZE];
	u32 size;
	const char *name;
} hashes[] = {
	{ SHA2(1), 32, "sha256" },
	{ SHA2(2), 48, "sha384" },
	{ SHA2(3), 64, "sha512" },
};

static void put_content(struct witness_input *der, struct umd_pkcs7 *fields)
{
	u32 all = witness_der_begin(der, SEQUENCE), tagged, from;

	witness_der_put_short(der, ASN1_OID, data, sizeof(data));
	tagged = witness_der_begin(der, CONTEXT(0));
	from = der->len;
	fields->data = witness_der_put_random(der, ASN1_OTS, 1, LONGEST_CONTENT);
	fields->data_header = fields->data.offset - from;
	fields->data_oid = look_up_OID(data, sizeof(data));
	witness_der_end(der, tagged);
	witness_der_end(der, all);
}

static void put_signer(struct witness_input *der, struct umd_pkcs7_signer *signer, u8 version)
{
	struct umd_x509_name unused;
	u32 all;

	if (version == BY_KEY) {
		signer->serial = witness_der_put_random(der, ASN1_CONT << 6, 8, LONGEST_NUMBER);
		return;
	}
	all = witness_der_begin(der, SEQUENCE);
	signer->issuer = witness_der_put_name(der, &unused);
	signer->serial = witness_der_put_random(der, ASN1_INT, 4, LONGEST_NUMBER);
	witness_der_end(der, all);
}

struct attribute {
	u32 all;
	u32 values;
};

static struct attribute begin_attribute(struct witness_input *der, const u8 *kind)
{
	struct attribute attribute = { .all = witness_der_begin(der, SEQUENCE) };

	witness_der_put_short(der, ASN1_OID, kind, DER_OID_SIZE);
	attribute.values = witness_der_begin(der, SET);
	return attribute;
}

static void end_attribute(struct witness_input *der, struct attribute attribute)
{
	witness_der_end(der, attribute.values);
	witness_der_end(der, attribute.all);
}

static void put_attributes(struct witness_input *der, struct umd_pkcs7_signer *signer, u32 size)
{
	u32 from = der->len, all = witness_der_begin(der, CONTEXT(0));
	struct attribute attribute = begin_attribute(der, content_type);

	witness_der_put_short(der, ASN1_OID, data, sizeof(data));
	end_attribute(der, attribute);
	signer->attributes = BIT(sinfo_has_content_type) | BIT(sinfo_has_message_digest);
	if (get_random_u32_below(2)) {
		attribute = begin_attribute(der, signing_time);
		signer->signing_time = witness_der_put_time(der);
		end_attribute(der, attribute);
		signer->attributes |= BIT(sinfo_has_signing_time);
	}
	attribute = begin_attribute(der, message_digest);
	signer->digest = witness_der_put_random(der, ASN1_OTS, size, size);
	end_attribute(der, attribute);
	witness_der_end(der, all);
	signer->authattrs = witness_der_span(der, from + 1);
}

static void put_signed_info(struct witness_input *der, struct umd_pkcs7_signer *signer,
			    const struct hash *hash, u8 version)
{
	u32 all = witness_der_begin(der, SEQUENCE);

	witness_der_put_short(der, ASN1_INT, &version, sizeof(version));
	put_signer(der, signer, version);
	witness_der_put_algorithm(der, hash->algorithm);
	put_attributes(der, signer, hash->size);
	witness_der_put_algorithm(der, rsa);
	signer->signature = witness_der_put_random(der, ASN1_OTS, LONGEST_SIGNATURE / 2,
						   LONGEST_SIGNATURE);
	witness_der_end(der, all);
	witness_der_name_rsa(&signer->sig, hash->name);
}

/**
 * witness_make_signed_message - make a PKCS #7 message that no handler has seen
 * @der: where it goes: WITNESS_INPUT_SIZE bytes of zero
 * @parsed: where the reply goes that a handler has to make, zeroed
 */
void witness_make_signed_message(struct witness_input *der, void *parsed)
{
	const struct hash *hash = &hashes[get_random_u32_below(ARRAY_SIZE(hashes))];
	u8 version = get_random_u32_below(2) ? BY_NUMBER : BY_KEY;
	struct umd_pkcs7 *fields = parsed;
	u32 all, tagged, message, set;

	BUILD_BUG_ON(sizeof(*fields) > WITNESS_PARSED_SIZE);
	all = witness_der_begin(der, SEQUENCE);
	witness_der_put_short(der, ASN1_OID, signed_data, sizeof(signed_data));
	tagged = witness_der_begin(der, CONTEXT(0));
	message = witness_der_begin(der, SEQUENCE);
	witness_der_put_short(der, ASN1_INT, &version, sizeof(version));
	set = witness_der_begin(der, SET);
	witness_der_put_algorithm(der, hash->algorithm);
	witness_der_end(der, set);
	put_content(der, fields);
	set = witness_der_begin(der, SET);
	put_signed_info(der, fields->signers, hash, version);
	witness_der_end(der, set);
	witness_der_end(der, message);
	witness_der_end(der, tagged);
	witness_der_end(der, all);
	fields->version = version;
	fields->signer_count = 1;
}
