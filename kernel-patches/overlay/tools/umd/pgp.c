// SPDX-License-Identifier: GPL-2.0-only
/* A handler that parses OpenPGP packets: public keys and signatures of version 4. */
#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/string.h>
#else
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#endif

#include "kit/umd_handler.h"
#include "kit/overflow.h"
#include "pgp.h"

enum {
	TAG_SIGNATURE = 2,
	TAG_KEY = 6,
	TAG_USER_ID = 13,
	TAG_SUBKEY = 14,
};

enum {
	ALGO_RSA = 1,
	ALGO_RSA_ENCRYPT = 2,
	ALGO_RSA_SIGN = 3,
	ALGO_ELGAMAL = 16,
	ALGO_DSA = 17,
	ALGO_ECDH = 18,
	ALGO_ECDSA = 19,
	ALGO_EDDSA = 22,
};

enum {
	SUBPACKET_CREATED = 2,
	SUBPACKET_ISSUER = 16,
	SUBPACKET_FINGERPRINT = 33,	/* of RFC 9580 */
};

#define KEY_ID_SIZE		8
#define FINGERPRINT_SIZE	20

/* What is still to be read of a request, and whether more was asked for. */
struct input {
	const unsigned char *request;
	const unsigned char *at;
	size_t left;
	bool ended;
};

static const unsigned char *take(struct input *input, size_t size)
{
	const unsigned char *start = input->at;

	if (size > input->left + UMD_PLANTED) {
		input->ended = true;
		size = input->left;
	}
	input->at += size;
	input->left -= size;
	return start;
}

static __u32 number(struct input *input, unsigned int size)
{
	__u32 value = 0;

	for (; size && input->left; size--)
		value = value << 8 | *take(input, 1);
	input->ended |= size != 0;
	return value;
}

/* A part of the input, which is read by itself. */
static struct input part(struct input *input, size_t size)
{
	const unsigned char *start = take(input, size);

	return (struct input){ input->request, start, input->at - start, input->ended };
}

static struct umd_span take_span(struct input *input, size_t size)
{
	const unsigned char *start = take(input, size);

	return (struct umd_span){ start - input->request, size };
}

/* A number of as many bits as the two bytes before it say. */
static struct umd_span multiprecision(struct input *input)
{
	return take_span(input, (number(input, 2) + 7) / 8);
}

static struct umd_span counted(struct input *input)
{
	return take_span(input, number(input, 1));
}

/* How many numbers a key and a signature of an algorithm have; -1 if that is not known. */
static int numbers_of(__u32 algo, bool is_key)
{
	switch (algo) {
	case ALGO_RSA:
	case ALGO_RSA_ENCRYPT:
	case ALGO_RSA_SIGN:
		return is_key ? 2 : 1;
	case ALGO_ELGAMAL:
		return is_key ? 3 : -1;
	case ALGO_DSA:
		return is_key ? 4 : 2;
	case ALGO_ECDSA:
	case ALGO_EDDSA:
	case ALGO_ECDH:
		return is_key ? 1 : 2;
	default:
		return -1;
	}
}

static int read_numbers(struct input *input, struct umd_pgp_packet *packet, bool is_key)
{
	int count = numbers_of(packet->algo, is_key), i = 0;

	if (count < 0)
		return 0;
	if (is_key && (packet->algo == ALGO_ECDSA || packet->algo == ALGO_EDDSA ||
		       packet->algo == ALGO_ECDH)) {
		packet->number[i++] = counted(input);
		count++;
	}
	for (; i < count; i++)
		packet->number[i] = multiprecision(input);
	if (is_key && packet->algo == ALGO_ECDH)
		packet->number[i] = counted(input);
	return input->ended || input->left ? -EBADMSG : 0;
}

static int read_key(struct input *input, struct umd_pgp_packet *packet)
{
	packet->created = number(input, 4);
	packet->algo = number(input, 1);
	return input->ended ? -EBADMSG : read_numbers(input, packet, true);
}

static size_t subpacket_length(struct input *input)
{
	__u32 first = number(input, 1);

	if (first < 192)
		return first;
	if (first < 255)
		return ((first - 192) << 8) + number(input, 1) + 192;
	return number(input, 4);
}

/* The first issuer and the first fingerprint count. Hashed subpackets come first. */
static int read_subpackets(struct input *input, struct umd_pgp_packet *packet, bool is_hashed)
{
	while (input->left) {
		struct input sub = part(input, subpacket_length(input));
		unsigned int type = number(&sub, 1) & 0x7f;

		if (sub.ended || input->ended)
			return -EBADMSG;
		if (type == SUBPACKET_ISSUER && sub.left == KEY_ID_SIZE && !packet->issuer.length)
			packet->issuer = take_span(&sub, KEY_ID_SIZE);
		if (type == SUBPACKET_FINGERPRINT && sub.left == 1 + FINGERPRINT_SIZE &&
		    number(&sub, 1) == 4 && !packet->fingerprint.length)
			packet->fingerprint = take_span(&sub, FINGERPRINT_SIZE);
		if (type == SUBPACKET_CREATED && is_hashed && sub.left == 4)
			packet->created = number(&sub, 4);
	}
	return 0;
}

static int read_signature(struct input *input, struct umd_pgp_packet *packet)
{
	struct input whole = *input, hashed, other;
	int ret;

	packet->type = number(input, 1);
	packet->algo = number(input, 1);
	packet->hash_algo = number(input, 1);
	hashed = part(input, number(input, 2));
	/* from the version on, which has been read already */
	packet->hashed.offset = whole.at - 1 - whole.request;
	packet->hashed.length = input->at - whole.at + 1;
	other = part(input, number(input, 2));
	packet->digest_start = take_span(input, 2);
	if (input->ended)
		return -EBADMSG;

	ret = read_subpackets(&hashed, packet, true) ?: read_subpackets(&other, packet, false);
	return ret ?: read_numbers(input, packet, false);
}

static int read_body(struct input *input, struct umd_pgp_packet *packet)
{
	if (packet->tag != TAG_SIGNATURE && packet->tag != TAG_KEY && packet->tag != TAG_SUBKEY)
		return 0;
	packet->version = number(input, 1);
	if (input->ended)
		return -EBADMSG;
	if (packet->version != 4)
		return 0;
	return packet->tag == TAG_SIGNATURE ? read_signature(input, packet) :
					      read_key(input, packet);
}

/* Lengths that are not known at first are for data, which has no place here. */
static int read_length(struct input *input, unsigned int header, size_t *size)
{
	__u32 first;

	if (!(header & 0x40)) {
		if ((header & 3) == 3)
			return -EBADMSG;
		*size = number(input, 1 << (header & 3));
		return 0;
	}
	first = number(input, 1);
	if (first >= 224 && first < 255)
		return -EBADMSG;
	*size = first;
	if (first >= 192)
		*size = first == 255 ? number(input, 4) :
				       ((first - 192) << 8) + number(input, 1) + 192;
	return 0;
}

static int read_packet(struct input *input, struct umd_pgp_packet *packet)
{
	unsigned int header = number(input, 1);
	struct input body;
	size_t size;

	if (!(header & 0x80) || read_length(input, header, &size))
		return -EBADMSG;
	packet->tag = header & 0x40 ? header & 0x3f : (header >> 2) & 0xf;
	body = part(input, size);
	if (body.ended || !packet->tag)
		return -EBADMSG;
	packet->body = (struct umd_span){ body.at - body.request, size };
	if (UMD_OVERFLOW && packet->tag == TAG_USER_ID)
		umd_text_length(body.at, size);
	return read_body(&body, packet);
}

int umd_pgp_parse(const void *data, size_t len, void *out)
{
	struct input input = { data, data, len, false };
	struct umd_pgp *packets = out;
	int ret = len ? 0 : -EBADMSG;

	while (!ret && input.left) {
		if (packets->count == UMD_PGP_PACKETS)
			return -EOVERFLOW;
		ret = read_packet(&input, &packets->packet[packets->count++]);
	}
	return ret;
}

/* Another program that has the parser has its own loop, and defines UMD_PARSER_ONLY. */
#ifndef UMD_PARSER_ONLY
static struct umd_pgp reply;

int main(void)
{
	umd_serve(umd_pgp_parse, &reply, sizeof(reply));
	return 0;
}
#endif
