// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keys from OpenPGP packets, as the handler parses these (trust.c): a public key, a user ID, and a
 * certification of both by a key in the kernel. The signature names that key by its subject key
 * identifier, in place of a fingerprint.
 */
#include <crypto/hash.h>
#include <linux/align.h>
#include <linux/crypto.h>
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

#define UNCOMPRESSED		0x04	/* what a point begins with, before x and y */

/* A curve of RFC 9580, 9.2. */
struct curve {
	const char *algo;	/* the kernel's name of ECDSA on this curve */
	u32 point_size;
	u32 oid_size;
	u8 oid[8];
};

static const struct curve curves[] = {
	{ "ecdsa-nist-p256", 1 + 2 * 32, 8, { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 } },
	{ "ecdsa-nist-p384", 1 + 2 * 48, 5, { 0x2b, 0x81, 0x04, 0x00, 0x22 } },
	{ "ecdsa-nist-p521", 1 + 2 * 66, 5, { 0x2b, 0x81, 0x04, 0x00, 0x23 } },
};

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

static bool is_ecdsa(const struct umd_pgp_packet *packet)
{
	return packet->version == 4 && packet->algo == ALGO_ECDSA;
}

static const struct curve *curve_of(const struct packets *packets)
{
	struct umd_span oid = packets->said->packet[KEY].number[0];

	for (int i = 0; i < ARRAY_SIZE(curves); i++)
		if (oid.length == curves[i].oid_size &&
		    !memcmp(place(packets, oid), curves[i].oid, oid.length))
			return curves + i;
	return NULL;
}

/* Not every kernel has ECDSA on all of these curves. */
static bool is_key_supported(const struct packets *packets)
{
	const struct umd_pgp_packet *packet = &packets->said->packet[KEY];
	const struct curve *curve = is_ecdsa(packet) ? curve_of(packets) : NULL;

	return is_rsa(packet) || (curve && crypto_has_alg(curve->algo, 0, 0));
}

static bool is_signature_supported(const struct umd_pgp_packet *packet)
{
	return (packet->type & ~3) == CERTIFICATION && (is_rsa(packet) || is_ecdsa(packet)) &&
	       hash_of(packet) && crypto_has_shash(hash_of(packet), 0, 0) &&
	       packet->fingerprint.length;
}

static bool is_supported(const struct packets *packets)
{
	const struct umd_pgp_packet *packet = packets->said->packet;

	return packets->said->count == PACKETS && packet[KEY].tag == TAG_KEY &&
	       packet[NAME].tag == TAG_USER_ID && packet[SIGNATURE].tag == TAG_SIGNATURE &&
	       is_key_supported(packets) && is_signature_supported(&packet[SIGNATURE]);
}

static bool is_key_plausible(const struct packets *packets)
{
	const struct umd_pgp_packet *packet = &packets->said->packet[KEY];

	return is_rsa(packet) || (packet->number[1].length == curve_of(packets)->point_size &&
				  *place(packets, packet->number[1]) == UNCOMPRESSED);
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

/* Two integers: an RSAPublicKey of RFC 8017, or an ECDSA-Sig-Value of RFC 3279. */
static u8 *make_sequence(const struct packets *packets, const struct umd_span *number, u32 *size)
{
	u16 len = 2 * DER_HEADER + number[0].length + number[1].length;
	u8 *sequence = kmalloc(DER_HEADER + len, GFP_KERNEL), *at;

	if (!sequence)
		return NULL;

	*size = DER_HEADER + len;
	at = put_header(sequence, DER_SEQUENCE, len);
	at = put_integer(at, packets, number[0]);
	put_integer(at, packets, number[1]);
	return sequence;
}

static struct public_key *make_key(const struct packets *packets)
{
	const struct umd_pgp_packet *packet = &packets->said->packet[KEY];
	const struct umd_span *number = packet->number;
	struct public_key *key = kzalloc(sizeof(*key), GFP_KERNEL);

	if (!key)
		return NULL;

	if (is_rsa(packet)) {
		key->pkey_algo = "rsa";
		key->key = make_sequence(packets, number, &key->keylen);
	} else {
		key->pkey_algo = curve_of(packets)->algo;
		key->key = kmemdup(place(packets, number[1]), number[1].length, GFP_KERNEL);
		key->keylen = number[1].length;
	}
	if (!key->key) {
		kfree(key);
		return NULL;
	}
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
static u8 *pad(const struct packets *packets, struct umd_span number, u32 *size)
{
	u8 *padded;

	*size = ALIGN(number.length, 8);
	padded = kzalloc(*size, GFP_KERNEL);
	if (padded)
		memcpy(padded + *size - number.length, place(packets, number), number.length);
	return padded;
}

static int put_numbers(struct public_key_signature *sig, const struct packets *packets)
{
	const struct umd_pgp_packet *packet = &packets->said->packet[SIGNATURE];

	if (is_rsa(packet)) {
		sig->pkey_algo = "rsa";
		sig->encoding = "pkcs1";
		sig->s = pad(packets, packet->number[0], &sig->s_size);
	} else {
		sig->pkey_algo = "ecdsa";
		sig->encoding = "x962";
		sig->s = make_sequence(packets, packet->number, &sig->s_size);
	}
	return sig->s ? 0 : -ENOMEM;
}

static struct public_key_signature *make_signature(const struct packets *packets)
{
	const struct umd_pgp_packet *packet = &packets->said->packet[SIGNATURE];
	struct public_key_signature *sig = kzalloc(sizeof(*sig), GFP_KERNEL);
	struct asymmetric_key_id *id;

	if (!sig)
		return NULL;

	sig->hash_algo = hash_of(packet);
	id = asymmetric_key_generate_id(place(packets, packet->fingerprint),
					packet->fingerprint.length, NULL, 0);
	sig->auth_ids[1] = IS_ERR(id) ? NULL : id;
	if (!sig->auth_ids[1] || put_numbers(sig, packets) || digest(sig, packets)) {
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
	if (!is_supported(packets))
		return -ENOPKG;
	if (!is_key_plausible(packets))
		return -EINVAL;
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
