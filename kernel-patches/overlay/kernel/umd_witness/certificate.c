// SPDX-License-Identifier: GPL-2.0-only
/*
 * X.509 certificates (RFC 5280) that nobody can predict: numbers, names, times, keys and their
 * lengths are random. What is where in them is known from how they are made. Nobody checks the
 * signature, which is random as well.
 */
#include <crypto/public_key.h>
#include <linux/asn1.h>
#include <linux/build_bug.h>
#include <linux/oid_registry.h>
#include <linux/random.h>
#include <linux/string.h>
#include <linux/time.h>
#include <linux/unaligned.h>

#include "../../tools/umd/x509.h"
#include "witness.h"

#define CONSTRUCTED	0x20
#define SEQUENCE	(CONSTRUCTED | ASN1_SEQ)
#define SET		(CONSTRUCTED | ASN1_SET)
#define CONTEXT(tag)	(CONSTRUCTED | ASN1_CONT << 6 | (tag))
#define LONGEST_NAME	24
#define LONGEST_NUMBER	20
#define LONGEST_KEY	128

static const u8 common_name[] = { 0x55, 4, 3 };
static const u8 organisation[] = { 0x55, 4, 10 };
static const u8 subject_key[] = { 0x55, 29, 14 };
static const u8 key_usage[] = { 0x55, 29, 15 };
static const u8 basic_constraints[] = { 0x55, 29, 19 };
static const u8 authority_key[] = { 0x55, 29, 35 };

/* RFC 8017: what PKCS #1 names. */
#define PKCS1(number)	{ 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, number }
#define PKCS1_SIZE	9

static const u8 rsa[PKCS1_SIZE] = PKCS1(1);

static const struct {
	u8 algorithm[PKCS1_SIZE];
	const char *hash;
} signatures[] = {
	{ PKCS1(5), "sha1" },
	{ PKCS1(11), "sha256" },
	{ PKCS1(12), "sha384" },
	{ PKCS1(13), "sha512" },
};

static void put(struct witness_input *der, const void *data, u32 len)
{
	memcpy(der->data + der->len, data, len);
	der->len += len;
}

static void put_byte(struct witness_input *der, u8 byte)
{
	put(der, &byte, 1);
}

/* Returns where its content begins, for end() or span(). */
static u32 begin(struct witness_input *der, u8 tag)
{
	const u8 head[] = { tag, 0x82, 0, 0 };

	put(der, head, sizeof(head));
	return der->len;
}

static struct umd_span span(const struct witness_input *der, u32 from)
{
	return (struct umd_span){ from, der->len - from };
}

static void end(struct witness_input *der, u32 from)
{
	put_unaligned_be16(der->len - from, der->data + from - 2);
}

/* What is short enough has its length in one byte: the parser expects that of extensions. */
static u32 put_short(struct witness_input *der, u8 tag, const void *data, u8 len)
{
	put_byte(der, tag);
	put_byte(der, len);
	put(der, data, len);
	return der->len - len;
}

static struct umd_span put_random(struct witness_input *der, u8 tag, u32 least, u32 most)
{
	u32 len = get_random_u32_inclusive(least, most);
	u32 from = begin(der, tag);

	get_random_bytes(der->data + from, len);
	/* a number that is not negative, and as short as it can be */
	der->data[from] = (der->data[from] & 0x7f) | 1;
	der->len += len;
	end(der, from);
	return span(der, from);
}

/* Returns where its parameters are, with their header. */
static struct umd_span put_algorithm(struct witness_input *der, const u8 *algorithm)
{
	u32 all = begin(der, SEQUENCE), parameters;

	put_short(der, ASN1_OID, algorithm, PKCS1_SIZE);
	parameters = der->len;
	put_short(der, ASN1_NULL, NULL, 0);
	end(der, all);
	return span(der, parameters);
}

static struct umd_span put_name_part(struct witness_input *der, const u8 *kind, u8 size)
{
	u32 set = begin(der, SET), part = begin(der, SEQUENCE), at;
	u8 text[LONGEST_NAME];
	u32 len = get_random_u32_inclusive(12, sizeof(text));

	for (u32 i = 0; i < len; i++)
		text[i] = 'a' + get_random_u32_below(26);
	/* The parser leaves an organisation out whose first letters are those of the name. */
	text[0] -= kind == organisation ? 'a' - 'A' : 0;
	put_short(der, ASN1_OID, kind, size);
	at = put_short(der, ASN1_UTF8STR, text, len);
	end(der, part);
	end(der, set);
	return (struct umd_span){ at, len };
}

static struct umd_span put_name(struct witness_input *der, struct umd_x509_name *name)
{
	u32 all = begin(der, SEQUENCE);

	name->organisation = put_name_part(der, organisation, sizeof(organisation));
	name->rest = put_name_part(der, common_name, sizeof(common_name));
	end(der, all);
	return span(der, all);
}

static s64 put_time(struct witness_input *der)
{
	u32 year = get_random_u32_below(50), month = get_random_u32_inclusive(1, 12);
	u32 day = get_random_u32_inclusive(1, 28), hour = get_random_u32_below(24);
	u32 minute = get_random_u32_below(60), second = get_random_u32_below(60);
	char text[16];
	int len;

	len = scnprintf(text, sizeof(text), "%02u%02u%02u%02u%02u%02uZ", year, month, day, hour,
			minute, second);
	put_short(der, ASN1_UNITIM, text, len);
	return mktime64(2000 + year, month, day, hour, minute, second);
}

static void put_validity(struct witness_input *der, struct umd_x509 *fields)
{
	u32 all = begin(der, SEQUENCE);

	fields->valid_from = put_time(der);
	fields->valid_to = put_time(der);
	end(der, all);
}

static void put_key(struct witness_input *der, struct umd_x509 *fields)
{
	u32 all = begin(der, SEQUENCE), bits, key;

	fields->params = put_algorithm(der, rsa);
	bits = begin(der, ASN1_BTS);
	put_byte(der, 0);
	key = begin(der, SEQUENCE);
	put_random(der, ASN1_INT, LONGEST_KEY / 2, LONGEST_KEY);
	put_random(der, ASN1_INT, 1, 4);
	end(der, key);
	fields->key = span(der, bits + 1);
	end(der, bits);
	end(der, all);
	fields->key_oid = look_up_OID(rsa, sizeof(rsa));
	strscpy(fields->key_algo, "rsa");
}

struct extension {
	u32 all;
	u32 value;
};

static struct extension begin_extension(struct witness_input *der, const u8 *kind)
{
	struct extension extension = { .all = begin(der, SEQUENCE) };

	put_short(der, ASN1_OID, kind, sizeof(subject_key));
	extension.value = begin(der, ASN1_OTS);
	return extension;
}

static void end_extension(struct witness_input *der, struct extension extension)
{
	end(der, extension.value);
	end(der, extension.all);
}

/* The random bytes of a key's identifier; returns where they are. */
static struct umd_span put_identifier(struct witness_input *der, u8 tag)
{
	u8 identifier[LONGEST_NUMBER];
	u32 len = get_random_u32_inclusive(8, sizeof(identifier));
	u32 at;

	get_random_bytes(identifier, len);
	at = put_short(der, tag, identifier, len);
	return (struct umd_span){ at, len };
}

static void put_usage(struct witness_input *der, struct umd_x509 *fields)
{
	u32 usage = get_random_u32_below(4), ca = get_random_u32_below(2);
	const u8 bits[] = { 2, (usage & 1 ? 0x80 : 0) | (usage & 2 ? 0x04 : 0) };
	const u8 is_ca[] = { ASN1_BOOL, 1, 0xff };
	struct extension extension = begin_extension(der, key_usage);

	put_short(der, ASN1_BTS, bits, sizeof(bits));
	end_extension(der, extension);
	extension = begin_extension(der, basic_constraints);
	put_short(der, SEQUENCE, is_ca, ca ? sizeof(is_ca) : 0);
	end_extension(der, extension);
	fields->usage = ca << KEY_EFLAG_CA | (usage & 1) << KEY_EFLAG_DIGITALSIG |
			(usage >> 1) << KEY_EFLAG_KEYCERTSIGN;
}

static void put_extensions(struct witness_input *der, struct umd_x509 *fields)
{
	u32 all = begin(der, CONTEXT(3)), list = begin(der, SEQUENCE), identifier;
	struct extension extension = begin_extension(der, subject_key);

	fields->skid = put_identifier(der, ASN1_OTS);
	end_extension(der, extension);
	extension = begin_extension(der, authority_key);
	identifier = begin(der, SEQUENCE);
	fields->authority_key = put_identifier(der, ASN1_CONT << 6);
	end(der, identifier);
	end_extension(der, extension);
	put_usage(der, fields);
	end(der, list);
	end(der, all);
}

static void put_signed(struct witness_input *der, struct umd_x509 *fields, const u8 *algorithm)
{
	u32 from = der->len, all = begin(der, SEQUENCE), version;
	const u8 third = 2;

	version = begin(der, CONTEXT(0));
	put_short(der, ASN1_INT, &third, sizeof(third));
	end(der, version);
	fields->serial = put_random(der, ASN1_INT, 4, LONGEST_NUMBER);
	put_algorithm(der, algorithm);
	fields->issuer = put_name(der, &fields->issuer_name);
	put_validity(der, fields);
	fields->subject = put_name(der, &fields->subject_name);
	put_key(der, fields);
	put_extensions(der, fields);
	end(der, all);
	fields->tbs = span(der, from);
}

/**
 * witness_make_certificate - make a certificate that no handler has seen
 * @der: where it goes
 * @parsed: the WITNESS_PARSED_SIZE bytes that a handler has to reply
 */
void witness_make_certificate(struct witness_input *der, void *parsed)
{
	u32 chosen = get_random_u32_below(ARRAY_SIZE(signatures));
	struct umd_x509 *fields = parsed;
	u32 all, bits;

	BUILD_BUG_ON(sizeof(*fields) > WITNESS_PARSED_SIZE);
	memset(der, 0, sizeof(*der));
	memset(parsed, 0, WITNESS_PARSED_SIZE);
	all = begin(der, SEQUENCE);
	put_signed(der, fields, signatures[chosen].algorithm);
	put_algorithm(der, signatures[chosen].algorithm);
	bits = begin(der, ASN1_BTS);
	put_byte(der, 0);
	fields->signature.offset = der->len;
	fields->signature.length = get_random_u32_inclusive(LONGEST_KEY / 2, LONGEST_KEY);
	get_random_bytes(der->data + der->len, fields->signature.length);
	der->len += fields->signature.length;
	end(der, bits);
	end(der, all);
	strscpy(fields->sig.algo, "rsa");
	strscpy(fields->sig.hash, signatures[chosen].hash);
	strscpy(fields->sig.encoding, "pkcs1");
}
