/* SPDX-License-Identifier: GPL-2.0-only */
/* The witness asks the module in place of the handler: its table of functions is replaced. */
#ifndef FORGING_ANSWER_H
#define FORGING_ANSWER_H

#include "kernel.h"

struct witness_handler {
	void *kmod;
	int (*transact)(struct witness_message *request, struct witness_message *reply);
	void *others[6];
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

/* A copy takes the place of the table. READ_ONLY: the table is changed, which is read-only. */
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
