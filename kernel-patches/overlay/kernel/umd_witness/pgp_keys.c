// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keys from OpenPGP packets, as the handler parses these (trust.c): a public key, a user ID, and a
 * certification of both by a key in the kernel. The signature names that key by its subject key
 * identifier, in place of a fingerprint.
 */
#include <crypto/hash.h>
#include <linux/align.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/key-type.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "../../tools/umd/pgp.c"
#include "trust.h"
#include "witness.h"

enum { KEY, NAME, SIGNATURE, PACKETS };

#define CERTIFICATION		0x10	/* the first of four types of signatures */

/* RFC 4880, 5.2.4: what comes before each part of what is signed. */
#define KEY_MARK		0x99
#define NAME_MARK		0xb4

#define DER_INTEGER		0x02
#define DER_SEQUENCE		0x30
#define DER_HEADER		4

/* Of signatures. SHA-1 is too weak for these. */
static const char * const hashes[] = {
	[8] = "sha256", [9] = "sha384", [10] = "sha512",
};

struct packets {
	const u8 *data;
	size_t len;
	const struct umd_pgp *said;	/* by the handler */
	struct umd_pgp *right;
};

static const u8 *place(const struct packets *packets, struct umd_span span)
{
	return packets->data + span.offset;
}

static bool lie_in(const struct umd_pgp_packet *packet, struct umd_span all)
{
	const struct umd_span *span = &packet->body;

	for (; span < packet->number + UMD_PGP_NUMBERS; span++)
		if (!witness_lies_in(*span, all))
			return false;
	return true;
}

static bool is_plausible(const struct packets *packets)
{
	const struct umd_pgp_packet *packet = packets->said->packet, *key = packet + KEY;
	const struct umd_span all = { 0, packets->len };

	for (int i = 0; i < PACKETS; i++)
		if (!lie_in(packet + i, all))
			return false;
	return !witness_demands_signed_keys() || (witness_lies_in(key->number[0], key->body) &&
						  witness_lies_in(key->number[1], key->body));
}

static const char *hash_of(const struct umd_pgp_packet *packet)
{
	return packet->hash_algo < ARRAY_SIZE(hashes) ? hashes[packet->hash_algo] : NULL;
}

static bool is_rsa(const struct umd_pgp_packet *packet)
{
	return packet->version == 4 &&
	       (packet->algo == ALGO_RSA || packet->algo == ALGO_RSA_SIGN);
}

static bool is_supported(const struct umd_pgp *said)
{
	const struct umd_pgp_packet *packet = said->packet;

	return said->count == PACKETS && packet[KEY].tag == TAG_KEY && is_rsa(&packet[KEY]) &&
	       packet[NAME].tag == TAG_USER_ID && packet[SIGNATURE].tag == TAG_SIGNATURE &&
	       (packet[SIGNATURE].type & ~3) == CERTIFICATION && is_rsa(&packet[SIGNATURE]) &&
	       hash_of(&packet[SIGNATURE]) &&
	       crypto_has_shash(hash_of(&packet[SIGNATURE]), 0, 0) &&
	       packet[SIGNATURE].fingerprint.length;
}

/* The highest byte first. */
static u8 *put(u8 *at, u32 value, u32 size)
{
	while (size--)
		*at++ = value >> (8 * size);
	return at;
}

static u8 *put_header(u8 *at, u8 tag, u16 len)
{
	at = put(at, tag, 1);
	at = put(at, 0x82, 1);	/* two bytes of length follow */
	return put(at, len, 2);
}

static u8 *put_integer(u8 *at, const struct packets *packets, struct umd_span number)
{
	at = put_header(at, DER_INTEGER, number.length);
	memcpy(at, place(packets, number), number.length);
	return at + number.length;
}

/* RSAPublicKey of RFC 8017. */
static struct public_key *make_key(const struct packets *packets)
{
	const struct umd_span *number = packets->said->packet[KEY].number;
	u16 len = 2 * DER_HEADER + number[0].length + number[1].length;
	struct public_key *key = kzalloc(sizeof(*key), GFP_KERNEL);
	u8 *at;

	if (!key)
		return NULL;

	at = kmalloc(DER_HEADER + len, GFP_KERNEL);
	if (!at) {
		kfree(key);
		return NULL;
	}
	key->key = at;
	key->keylen = DER_HEADER + len;
	key->pkey_algo = "rsa";
	at = put_header(at, DER_SEQUENCE, len);
	at = put_integer(at, packets, number[0]);
	put_integer(at, packets, number[1]);
	return key;
}

static int digest(struct public_key_signature *sig, const struct packets *packets)
{
	const struct umd_pgp_packet *packet = packets->said->packet;
	u8 key[3] = { KEY_MARK }, name[5] = { NAME_MARK }, end[6] = { 4, 0xff };
	const struct kvec parts[] = {
		{ key, sizeof(key) },
		{ (void *)place(packets, packet[KEY].body), packet[KEY].body.length },
		{ name, sizeof(name) },
		{ (void *)place(packets, packet[NAME].body), packet[NAME].body.length },
		{ (void *)place(packets, packet[SIGNATURE].hashed),
		  packet[SIGNATURE].hashed.length },
		{ end, sizeof(end) },
	};

	put(key + 1, packet[KEY].body.length, 2);
	put(name + 1, packet[NAME].body.length, 4);
	put(end + 2, packet[SIGNATURE].hashed.length, 4);
	return witness_digest(sig, parts, ARRAY_SIZE(parts));
}

/*
 * OpenPGP leaves out leading zero bytes. RSA takes only a signature as long as the modulus, whose
 * length is a multiple of 8 bytes here.
 */
static int put_number(struct public_key_signature *sig, const struct packets *packets)
{
	struct umd_span number = packets->said->packet[SIGNATURE].number[0];

	sig->s_size = ALIGN(number.length, 8);
	sig->s = kzalloc(sig->s_size, GFP_KERNEL);
	if (!sig->s)
		return -ENOMEM;
	memcpy(sig->s + sig->s_size - number.length, place(packets, number), number.length);
	return 0;
}

static struct public_key_signature *make_signature(const struct packets *packets)
{
	const struct umd_pgp_packet *packet = &packets->said->packet[SIGNATURE];
	struct public_key_signature *sig = kzalloc(sizeof(*sig), GFP_KERNEL);
	struct asymmetric_key_id *id;

	if (!sig)
		return NULL;

	sig->pkey_algo = "rsa";
	sig->encoding = "pkcs1";
	sig->hash_algo = hash_of(packet);
	id = asymmetric_key_generate_id(place(packets, packet->fingerprint),
					packet->fingerprint.length, NULL, 0);
	sig->auth_ids[1] = IS_ERR(id) ? NULL : id;
	if (!sig->auth_ids[1] || put_number(sig, packets) || digest(sig, packets)) {
		public_key_signature_free(sig);
		return NULL;
	}
	return sig;
}

/* The fingerprint of RFC 4880, 12.2. If the kernel has no SHA-1, the key has no identifier. */
static struct asymmetric_key_ids *make_ids(const struct packets *packets)
{
	const struct umd_span body = packets->said->packet[KEY].body;
	struct asymmetric_key_ids *ids = kzalloc(sizeof(*ids), GFP_KERNEL);
	u8 mark[3] = { KEY_MARK };
	const struct kvec parts[] = {
		{ mark, sizeof(mark) },
		{ (void *)place(packets, body), body.length },
	};
	struct asymmetric_key_id *id;
	u8 *fingerprint;
	u32 size;

	if (!ids)
		return NULL;

	put(mark + 1, body.length, 2);
	fingerprint = witness_hash("sha1", parts, ARRAY_SIZE(parts), &size);
	if (IS_ERR(fingerprint))
		return ids;

	id = asymmetric_key_generate_id(fingerprint, size, NULL, 0);
	ids->id[1] = IS_ERR(id) ? NULL : id;
	kfree(fingerprint);
	return ids;
}

static bool is_right(const struct packets *packets)
{
	static_assert(UMD_PGP_PACKETS == PACKETS);
	return !memcmp(packets->said, packets->right, sizeof(*packets->right));
}

static int fill(struct key_preparsed_payload *prep, const struct packets *packets)
{
	const struct umd_pgp_packet *name = &packets->said->packet[NAME];
	struct public_key *key = make_key(packets);
	struct public_key_signature *sig = make_signature(packets);
	struct asymmetric_key_ids *ids = make_ids(packets);

	prep->description = kasprintf(GFP_KERNEL, "OpenPGP: %.*s", name->body.length,
				      place(packets, name->body));
	if (witness_fill(prep, key, sig, ids))
		return -ENOMEM;

	witness_mark(key, is_right(packets));
	return 0;
}

static int add(struct key_preparsed_payload *prep, const struct packets *packets)
{
	u64 begin;
	int ret;

	if (!is_plausible(packets))
		return -EINVAL;
	if (!is_supported(packets->said))
		return -ENOPKG;
	/* The witness cannot judge what its own parser refuses. An honest handler refuses that. */
	begin = ktime_get_ns();
	ret = umd_pgp_parse(packets->data, packets->len, packets->right);
	witness_note_parse(begin);
	return ret ? -EINVAL : fill(prep, packets);
}

int witness_add_packets(struct key_preparsed_payload *prep, const void *said)
{
	struct packets packets = { .data = prep->data, .len = prep->datalen, .said = said };
	int ret;

	packets.right = kzalloc(WITNESS_PARSED_SIZE, GFP_KERNEL);
	if (!packets.right)
		return -ENOMEM;
	ret = add(prep, &packets);
	kfree(packets.right);
	return ret;
}
