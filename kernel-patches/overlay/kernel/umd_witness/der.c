// SPDX-License-Identifier: GPL-2.0-only
/* BER (X.690) as the witness writes it: a length has two bytes, but for witness_der_put_short(). */
#include <linux/kernel.h>
#include <linux/random.h>
#include <linux/string.h>
#include <linux/time.h>

#include "der.h"

#define LONGEST_NAME	24

static const u8 common_name[] = { 0x55, 4, 3 };
static const u8 organisation[] = { 0x55, 4, 10 };

static void put(struct witness_input *der, const void *data, u32 len)
{
	memcpy(der->data + der->len, data, len);
	der->len += len;
}

void witness_der_put_byte(struct witness_input *der, u8 byte)
{
	put(der, &byte, 1);
}

/* Returns where its content begins, for witness_der_end() or witness_der_span(). */
u32 witness_der_begin(struct witness_input *der, u8 tag)
{
	const u8 head[] = { tag, 0x82, 0, 0 };

	put(der, head, sizeof(head));
	return der->len;
}

struct umd_span witness_der_span(const struct witness_input *der, u32 from)
{
	return (struct umd_span){ from, der->len - from };
}

void witness_der_end(struct witness_input *der, u32 from)
{
	u32 len = der->len - from;

	der->data[from - 2] = len >> 8;
	der->data[from - 1] = len;
}

/* With a length of one byte, as extensions need it. Returns where the content begins. */
u32 witness_der_put_short(struct witness_input *der, u8 tag, const void *data, u8 len)
{
	witness_der_put_byte(der, tag);
	witness_der_put_byte(der, len);
	put(der, data, len);
	return der->len - len;
}

struct umd_span witness_der_put_random(struct witness_input *der, u8 tag, u32 least, u32 most)
{
	u32 len = get_random_u32_inclusive(least, most);
	u32 from = witness_der_begin(der, tag);

	get_random_bytes(der->data + from, len);
	/* a number that is not negative, and as short as it can be */
	der->data[from] = (der->data[from] & 0x7f) | 1;
	der->len += len;
	witness_der_end(der, from);
	return witness_der_span(der, from);
}

/* Returns where its parameters are, with their header. */
struct umd_span witness_der_put_algorithm(struct witness_input *der, const u8 *algorithm)
{
	u32 all = witness_der_begin(der, SEQUENCE), parameters;

	witness_der_put_short(der, ASN1_OID, algorithm, DER_OID_SIZE);
	parameters = der->len;
	witness_der_put_short(der, ASN1_NULL, NULL, 0);
	witness_der_end(der, all);
	return witness_der_span(der, parameters);
}

static struct umd_span put_name_part(struct witness_input *der, const u8 *kind, u8 size)
{
	u32 set = witness_der_begin(der, SET), part = witness_der_begin(der, SEQUENCE), at;
	u8 text[LONGEST_NAME];
	u32 len = get_random_u32_inclusive(12, sizeof(text));

	for (u32 i = 0; i < len; i++)
		text[i] = 'a' + get_random_u32_below(26);
	/* The parser leaves an organisation out whose first letters are those of the name. */
	text[0] -= kind == organisation ? 'a' - 'A' : 0;
	witness_der_put_short(der, ASN1_OID, kind, size);
	at = witness_der_put_short(der, ASN1_UTF8STR, text, len);
	witness_der_end(der, part);
	witness_der_end(der, set);
	return (struct umd_span){ at, len };
}

struct umd_span witness_der_put_name(struct witness_input *der, struct umd_x509_name *name)
{
	u32 all = witness_der_begin(der, SEQUENCE);

	name->organisation = put_name_part(der, organisation, sizeof(organisation));
	name->rest = put_name_part(der, common_name, sizeof(common_name));
	witness_der_end(der, all);
	return witness_der_span(der, all);
}

s64 witness_der_put_time(struct witness_input *der)
{
	u32 year = get_random_u32_below(50), month = get_random_u32_inclusive(1, 12);
	u32 day = get_random_u32_inclusive(1, 28), hour = get_random_u32_below(24);
	u32 minute = get_random_u32_below(60), second = get_random_u32_below(60);
	char text[16];
	int len;

	len = scnprintf(text, sizeof(text), "%02u%02u%02u%02u%02u%02uZ", year, month, day, hour,
			minute, second);
	witness_der_put_short(der, ASN1_UNITIM, text, len);
	return mktime64(2000 + year, month, day, hour, minute, second);
}

/* The kernel's names for the algorithms of an RSA signature. */
void witness_der_name_rsa(struct umd_sig_names *names, const char *hash)
{
	strscpy(names->algo, "rsa", sizeof(names->algo));
	strscpy(names->hash, hash, sizeof(names->hash));
	strscpy(names->encoding, "pkcs1", sizeof(names->encoding));
}
