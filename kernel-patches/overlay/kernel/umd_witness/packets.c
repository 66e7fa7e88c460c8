// SPDX-License-Identifier: GPL-2.0-only
/*
 * OpenPGP packets that nobody can predict: keys, user IDs and signatures. Their count, lengths,
 * algorithms, integers and times are random. The witness makes them, so it knows where each part
 * is. The numbers of tags and algorithms are written down here a second time, so that a mistake in
 * the parser shows.
 */
#include <linux/build_bug.h>
#include <linux/kernel.h>
#include <linux/random.h>
#include <linux/string.h>

#include "../../tools/umd/pgp.h"
#include "witness.h"

#define MOST_BITS	1536
#define LONGEST_TEXT	40
#define LONGEST_HEADER	6
#define LONGEST_BODY	620

enum { SIGNATURE = 2, KEY = 6, USER_ID = 13, SUBKEY = 14 };
enum { RSA = 1, DSA = 17, ECDSA = 19, UNKNOWN = 100 };
enum { CREATED = 2, ISSUER = 16, NOTATION = 20, FINGERPRINT = 33 };

struct body {
	u8 data[LONGEST_BODY];
	u32 len;
};

static u32 up_to(u32 most)
{
	return get_random_u32_inclusive(1, most);
}

/* The highest byte first. */
static void put_number(struct body *body, u32 number, u32 size)
{
	while (size--)
		body->data[body->len++] = number >> (8 * size);
}

static struct umd_span put_random(struct body *body, u32 len)
{
	struct umd_span span = { body->len, len };

	get_random_bytes(body->data + body->len, len);
	body->len += len;
	return span;
}

/* A multiprecision integer: its length in bits, then its bytes. The highest bit is set. */
static struct umd_span put_multiprecision(struct body *body)
{
	u32 bits = up_to(MOST_BITS), highest = 1 << ((bits - 1) % 8);
	struct umd_span span;
	u8 *first;

	put_number(body, bits, 2);
	span = put_random(body, DIV_ROUND_UP(bits, 8));
	first = body->data + span.offset;
	*first = (*first & (highest - 1)) | highest;
	return span;
}

static struct umd_span put_counted(struct body *body, u32 len)
{
	put_number(body, len, 1);
	return put_random(body, len);
}

/* Of another version, and of another algorithm, the reply has no parts. */
static void put_key(struct body *body, struct umd_pgp_packet *packet)
{
	static const u8 algos[] = { RSA, ECDSA, UNKNOWN };

	packet->version = get_random_u32_below(8) ? 4 : 3;
	put_number(body, packet->version, 1);
	if (packet->version != 4) {
		put_random(body, up_to(LONGEST_TEXT));
		return;
	}
	packet->created = get_random_u32();
	packet->algo = algos[get_random_u32_below(ARRAY_SIZE(algos))];
	put_number(body, packet->created, 4);
	put_number(body, packet->algo, 1);
	if (packet->algo == UNKNOWN) {
		put_random(body, up_to(LONGEST_TEXT));
		return;
	}
	packet->number[0] = packet->algo == RSA ? put_multiprecision(body) :
						  put_counted(body, up_to(10));
	packet->number[1] = put_multiprecision(body);
}

/* In two of three encodings of the length; the third is for longer subpackets. */
static void put_type(struct body *body, u32 type, u32 len)
{
	if (get_random_u32_below(2)) {
		put_number(body, 0xff, 1);
		put_number(body, 1 + len, 4);
	} else {
		put_number(body, 1 + len, 1);
	}
	put_number(body, type, 1);
}

static void put_created(struct body *body, struct umd_pgp_packet *packet, bool is_hashed)
{
	u32 created = get_random_u32();

	put_type(body, CREATED, 4);
	put_number(body, created, 4);
	if (is_hashed)
		packet->created = created;
}

/* The first one counts. */
static void put_issuer(struct body *body, struct umd_pgp_packet *packet)
{
	struct umd_span issuer;

	put_type(body, ISSUER, 8);
	issuer = put_random(body, 8);
	if (!packet->issuer.length)
		packet->issuer = issuer;
}

static void put_fingerprint(struct body *body, struct umd_pgp_packet *packet)
{
	struct umd_span fingerprint;

	put_type(body, FINGERPRINT, 21);
	put_number(body, packet->version, 1);
	fingerprint = put_random(body, 20);
	if (!packet->fingerprint.length)
		packet->fingerprint = fingerprint;
}

static void put_notation(struct body *body)
{
	u32 len = up_to(LONGEST_TEXT);

	put_type(body, NOTATION, len);
	put_random(body, len);
}

/* The two bytes before them are their length. */
static void put_subpackets(struct body *body, struct umd_pgp_packet *packet, bool is_hashed)
{
	u8 *length = body->data + body->len;
	u32 start;

	put_number(body, 0, 2);
	start = body->len;
	if (get_random_u32_below(4))
		put_created(body, packet, is_hashed);
	if (get_random_u32_below(2))
		put_issuer(body, packet);
	if (get_random_u32_below(2))
		put_notation(body);
	if (get_random_u32_below(2))
		put_fingerprint(body, packet);
	length[0] = (body->len - start) >> 8;
	length[1] = body->len - start;
}

static void put_signature(struct body *body, struct umd_pgp_packet *packet)
{
	static const u8 algos[] = { RSA, DSA, ECDSA };

	packet->version = 4;
	packet->type = get_random_u32_below(256);
	packet->algo = algos[get_random_u32_below(ARRAY_SIZE(algos))];
	packet->hash_algo = up_to(11);
	put_number(body, packet->version, 1);
	put_number(body, packet->type, 1);
	put_number(body, packet->algo, 1);
	put_number(body, packet->hash_algo, 1);
	put_subpackets(body, packet, true);
	packet->hashed.length = body->len;
	put_subpackets(body, packet, false);
	packet->digest_start = put_random(body, 2);
	packet->number[0] = put_multiprecision(body);
	if (packet->algo != RSA)
		packet->number[1] = put_multiprecision(body);
}

static void put_body(struct body *body, struct umd_pgp_packet *packet)
{
	static const u8 tags[] = { SIGNATURE, KEY, USER_ID, SUBKEY };

	packet->tag = tags[get_random_u32_below(ARRAY_SIZE(tags))];
	if (packet->tag == SIGNATURE)
		put_signature(body, packet);
	else if (packet->tag == USER_ID)
		put_random(body, up_to(LONGEST_TEXT));
	else
		put_key(body, packet);
}

/* In one of five encodings of the length. The short encodings are for short bodies. */
static void put_header(struct body *header, u32 tag, u32 len)
{
	u32 form = get_random_u32_below(5);

	if (!form && len > 255)
		form = 1;
	if (form < 3) {
		put_number(header, 0x80 | tag << 2 | form, 1);
		put_number(header, len, 1 << form);
		return;
	}
	put_number(header, 0xc0 | tag, 1);
	if (form == 3) {
		put_number(header, 0xff, 1);
		put_number(header, len, 4);
	} else if (len < 192) {
		put_number(header, len, 1);
	} else {
		put_number(header, 0xc000 + len - 192, 2);
	}
}

/* Move the parts that the packet has. */
static void move_parts(struct umd_pgp_packet *packet, u32 by)
{
	struct umd_span *part = &packet->body;

	for (; part < packet->number + UMD_PGP_NUMBERS; part++)
		if (part->length)
			part->offset += by;
}

static void put_packet(struct witness_input *packets, struct umd_pgp_packet *packet)
{
	static struct body header, body;

	header.len = 0;
	body.len = 0;
	put_body(&body, packet);
	put_header(&header, packet->tag, body.len);
	packet->body.length = body.len;
	move_parts(packet, packets->len + header.len);
	memcpy(packets->data + packets->len, header.data, header.len);
	packets->len += header.len;
	memcpy(packets->data + packets->len, body.data, body.len);
	packets->len += body.len;
}

/**
 * witness_make_packets - make OpenPGP packets that no handler has seen
 * @packets: where they go: WITNESS_INPUT_SIZE bytes of zero
 * @parsed: where the reply goes that a handler has to make, zeroed
 */
void witness_make_packets(struct witness_input *packets, void *parsed)
{
	struct umd_pgp *fields = parsed;

	BUILD_BUG_ON(sizeof(*fields) > WITNESS_PARSED_SIZE);
	BUILD_BUG_ON(UMD_PGP_PACKETS * (LONGEST_HEADER + LONGEST_BODY) > WITNESS_INPUT_SIZE);
	/* a signature: what it begins with, four subpackets twice, and two numbers */
	BUILD_BUG_ON(4 + 2 * (2 + 4 * 6 + 4 + 8 + LONGEST_TEXT + 21) + 2 +
		     2 * (2 + MOST_BITS / 8) > LONGEST_BODY);
	fields->count = up_to(UMD_PGP_PACKETS);
	for (u32 i = 0; i < fields->count; i++)
		put_packet(packets, &fields->packet[i]);
}
