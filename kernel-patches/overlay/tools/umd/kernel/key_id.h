/* SPDX-License-Identifier: GPL-2.0-only */
/* An identifier of a key, which knows of which parts of the request it was made. */
#ifndef UMD_KEY_ID_H
#define UMD_KEY_ID_H

#include <keys/asymmetric-type.h>

struct umd_key_id {
	const void *first;
	const void *second;
	size_t first_len;
	size_t second_len;
	struct asymmetric_key_id id;
};

static inline const struct umd_key_id *umd_key_id(const struct asymmetric_key_id *id)
{
	return (const void *)((const char *)id - offsetof(struct umd_key_id, id));
}

#endif
