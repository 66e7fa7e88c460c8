/* SPDX-License-Identifier: GPL-2.0-only */
/* What the handler of OpenPGP keys and signatures replies. */
#ifndef UMD_PGP_H
#define UMD_PGP_H

#include "kit/umd_handler.h"

/* As many as the reply has room for. */
#ifndef UMD_PGP_PACKETS
#define UMD_PGP_PACKETS	256
#endif
#define UMD_PGP_NUMBERS	4

/**
 * struct umd_pgp_packet - a packet of RFC 4880
 * @tag: what it is: 2 a signature, 6 a public key, 14 a subkey
 * @version: of a key or signature; all below is zero unless it is 4
 * @type: a signature's type
 * @algo: the public key's algorithm, by its number
 * @hash_algo: a signature's hash algorithm, by its number
 * @created: seconds since 1970
 * @body: the packet without its header; the fingerprint of a key is a digest over it
 * @hashed: what a signature has in its own digest
 * @digest_start: the first two bytes of the digest that is signed
 * @issuer: the identifier of the key that made a signature
 * @fingerprint: the fingerprint of that key (RFC 9580, subpacket 33)
 * @number: the key's or the signature's numbers, without their lengths; for a key
 *	on a curve the first one is the curve's object identifier; missing for an
 *	algorithm that is not known
 */
struct umd_pgp_packet {
	__u32 tag;
	__u32 version;
	__u32 type;
	__u32 algo;
	__u32 hash_algo;
	__u32 created;
	struct umd_span body;
	struct umd_span hashed;
	struct umd_span digest_start;
	struct umd_span issuer;
	struct umd_span fingerprint;
	struct umd_span number[UMD_PGP_NUMBERS];
};

/**
 * struct umd_pgp - the packets of a request
 * @status: 0; -EBADMSG if these are no packets, -EOVERFLOW for more of them than the
 *	reply has room for, -EMSGSIZE
 * @count: how many there are
 * @packet: those
 */
struct umd_pgp {
	__s32 status;
	__u32 count;
	struct umd_pgp_packet packet[UMD_PGP_PACKETS];
};

/* An umd_parse_t. */
int umd_pgp_parse(const void *data, size_t len, void *out);

#endif
