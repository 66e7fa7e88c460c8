/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a request is answered: the same code in the user process and in the
 * kernel thread, so that they differ in where it runs and in nothing else. The
 * witness checks it with the kernel's own SHA-256.
 */
#ifndef UMD_WITNESS_ANSWER_H
#define UMD_WITNESS_ANSWER_H

#include "message.h"

/* Round constants: FIPS 180-4, 4.2.2. */
static const __u32 sha_round[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline __u32 sha_rotate(__u32 x, int n)
{
	return x >> n | x << (32 - n);
}

static inline void sha_block(__u32 state[8], const __u8 *block)
{
	__u32 w[64], s[8], a, b;
	int i;

	for (i = 0; i < 16; i++, block += 4)
		w[i] = (__u32)block[0] << 24 | block[1] << 16 | block[2] << 8 | block[3];
	for (; i < 64; i++) {
		a = sha_rotate(w[i - 15], 7) ^ sha_rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
		b = sha_rotate(w[i - 2], 17) ^ sha_rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
		w[i] = w[i - 16] + a + w[i - 7] + b;
	}

	for (i = 0; i < 8; i++)
		s[i] = state[i];
	for (i = 0; i < 64; i++) {
		a = sha_rotate(s[4], 6) ^ sha_rotate(s[4], 11) ^ sha_rotate(s[4], 25);
		a += s[7] + ((s[4] & s[5]) ^ (~s[4] & s[6])) + sha_round[i] + w[i];
		b = sha_rotate(s[0], 2) ^ sha_rotate(s[0], 13) ^ sha_rotate(s[0], 22);
		b += (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
		s[7] = s[6];
		s[6] = s[5];
		s[5] = s[4];
		s[4] = s[3] + a;
		s[3] = s[2];
		s[2] = s[1];
		s[1] = s[0];
		s[0] = a + b;
	}
	for (i = 0; i < 8; i++)
		state[i] += s[i];
}

/* SHA-256 of a message that, padded, fits into three blocks: below 184 bytes. */
static inline void sha_hash(const __u8 *data, unsigned int len,
			    __u8 out[WITNESS_HASH_SIZE])
{
	__u32 state[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};
	unsigned int size = (len + 9 + 63) / 64 * 64;
	__u8 padded[192];
	unsigned int i;

	for (i = 0; i < size; i++)
		padded[i] = i < len ? data[i] : 0;
	padded[len] = 0x80;
	padded[size - 2] = len * 8 >> 8;
	padded[size - 1] = len * 8 & 0xff;

	for (i = 0; i < size; i += 64)
		sha_block(state, padded + i);
	for (i = 0; i < WITNESS_HASH_SIZE; i++)
		out[i] = state[i / 4] >> (24 - i % 4 * 8);
}

static inline void witness_answer(__u8 chain[WITNESS_HASH_SIZE],
				  __u8 secret[WITNESS_HASH_SIZE],
				  const struct witness_message *request,
				  struct witness_message *reply)
{
	struct {
		__u8 chain[WITNESS_HASH_SIZE];
		struct witness_message request;
		__u8 secret[WITNESS_HASH_SIZE];		/* its hash */
	} link;
	__u8 next[WITNESS_HASH_SIZE];
	int i;

	if (request->kind == WITNESS_START) {
		for (i = 0; i < WITNESS_HASH_SIZE; i++)
			secret[i] = request->body[i];
		sha_hash(secret, WITNESS_HASH_SIZE, chain);
	} else {
		for (i = 0; i < WITNESS_HASH_SIZE; i++)
			link.chain[i] = chain[i];
		link.request = *request;
		sha_hash(secret, WITNESS_HASH_SIZE, link.secret);
		sha_hash((const __u8 *)&link, sizeof(link), next);
		/* What anybody changes meanwhile stays changed: there is no lucky moment. */
		for (i = 0; i < WITNESS_HASH_SIZE; i++)
			chain[i] ^= link.chain[i] ^ next[i];
	}

	*reply = *request;
	for (i = 0; i < WITNESS_HASH_SIZE; i++)
		reply->body[i] = chain[i];
}

#endif
