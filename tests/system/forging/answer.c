// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module answers in the handler's place. It puts its function into a copy of the witness's
 * table of functions; READ_ONLY: into the table, which is read-only data. Its exit restores all.
 */
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

int init_module(void)
{
	copy = original = witness_umd_handler;
	copy.transact = transact;
#ifdef READ_ONLY
	write_read_only((void *)&witness_umd_handler, &copy, sizeof(copy));
#else
	handler = &copy;
#endif
	tamper();
	return 0;
}

void cleanup_module(void)
{
#ifdef READ_ONLY
	write_read_only((void *)&witness_umd_handler, &original, sizeof(original));
#else
	handler = &witness_umd_handler;
#endif
	restore();
	clear_taint();
}
