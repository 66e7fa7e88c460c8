// SPDX-License-Identifier: GPL-2.0-only
/* Functions of the kernel that its parsers call. */
#include <crypto/public_key.h>
#include <keys/asymmetric-type.h>

#include "key_id.h"

#ifndef UMD_HOST
int memcmp(const void *a, const void *b, size_t size)
{
	const u8 *left = a, *right = b;

	for (; size; size--, left++, right++)
		if (*left != *right)
			return *left - *right;
	return 0;
}

int strcmp(const char *a, const char *b)
{
	for (; *a && *a == *b; a++, b++)
		;
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t size)
{
	for (; size && *a && *a == *b; size--, a++, b++)
		;
	return size ? (u8)*a - (u8)*b : 0;
}
#endif

static inline bool is_ascii(const u8 *text, size_t len)
{
	for (; len && *text < 0x80; len--)
		text++;
	return !len;
}

/* Both parts one after the other, as the tree's code compares them, and where they are. */
struct asymmetric_key_id *asymmetric_key_generate_id(const void *val_1, size_t len_1,
						     const void *val_2, size_t len_2)
{
	/* The planted bug is in what stands for a name; other identifiers are shorter. */
	size_t wrong = UMD_PLANTED && !len_2 && len_1 > 20 && !is_ascii(val_1, len_1);
	struct umd_key_id *made = umd_alloc(offsetof(struct umd_key_id, id.data) +
					    len_1 + len_2 - wrong);

	if (!made)
		return ERR_PTR(-ENOMEM);

	made->first = val_1;
	made->first_len = len_1;
	made->second = val_2;
	made->second_len = len_2;
	made->id.len = len_1 + len_2;
	memcpy(made->id.data, val_1, len_1);
	memcpy(made->id.data + len_1, val_2, len_2);
	return &made->id;
}

bool asymmetric_key_id_same(const struct asymmetric_key_id *kid1,
			    const struct asymmetric_key_id *kid2)
{
	return kid1 && kid2 && kid1->len == kid2->len &&
	       !memcmp(kid1->data, kid2->data, kid1->len);
}

void public_key_free(struct public_key *key __maybe_unused) { }

void public_key_signature_free(struct public_key_signature *sig __maybe_unused) { }

/* Never reached: see crypto_alloc_shash(). */
int public_key_verify_signature(const struct public_key *pkey __maybe_unused,
				const struct public_key_signature *sig __maybe_unused)
{
	return -ENOPKG;
}

/* Seconds since 1970, by the days before each year and each month, which starts in March. */
time64_t mktime64(unsigned int year, unsigned int month, unsigned int day,
		  unsigned int hour, unsigned int minute, unsigned int second)
{
	time64_t years = month > 2 ? year : year - 1;
	unsigned int months = (month + 9) % 12;
	time64_t days = years * 365 + years / 4 - years / 100 + years / 400 +
			(months * 153 + 2) / 5 + day - 1 - 719468;

	return ((days * 24 + hour) * 60 + minute) * 60 + second;
}
