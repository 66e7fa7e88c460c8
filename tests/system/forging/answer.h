/* SPDX-License-Identifier: GPL-2.0-only */
/* The witness asks the module in place of the handler, by its table of functions or a copy of it. */
#ifndef FORGING_ANSWER_H
#define FORGING_ANSWER_H

#include "kernel.h"

struct witness_handler {
	void *kmod;
	int (*transact)(struct witness_message *request, struct witness_message *reply);
	void *others[5];
};

extern const struct witness_handler *handler, witness_umd_handler;

static struct witness_handler copy, original;

static int transact(struct witness_message *request, struct witness_message *reply)
{
	int error = original.transact(request, reply);

	if (!error)
		answer(request, reply);
	return error;
}

/* READ_ONLY: the table itself is changed, which is read-only data. */
static inline void take_place(void)
{
	copy = original = witness_umd_handler;
	copy.transact = transact;
#ifdef READ_ONLY
	write_read_only((void *)&witness_umd_handler, &copy, sizeof(copy));
#else
	handler = &copy;
#endif
}

static inline void give_place_back(void)
{
#ifdef READ_ONLY
	write_read_only((void *)&witness_umd_handler, &original, sizeof(original));
#else
	handler = &witness_umd_handler;
#endif
}

#endif
