// SPDX-License-Identifier: GPL-2.0-only
/* A live patch of umd_send_recv(): the handler is not asked any more, and all replies are right. */
#define LIVEPATCH
#include "kernel.h"

static int send_recv(void *info, const void *in, ulong in_size, void *out, ulong out_size)
{
	answer(in, out);
	return 0;
}

/* As far as the module fills them in (include/linux/livepatch.h); the end is all zeroes. */
static struct klp_func {
	const char *name;
	void *function;
	ulong position;
	char rest[128];
} functions[2] = {
	{ .name = "umd_send_recv", .function = send_recv },
};

static struct klp_object {
	const char *name;	/* none: the kernel itself */
	struct klp_func *functions;
	char rest[152];
} objects[2] = {
	{ .functions = functions },
};

static struct klp_patch {
	struct module *module;
	struct klp_object *objects;
	char rest[512];
} patch = {
	.module = &this_module,
	.objects = objects,
};

extern struct klp_patch *klp_transition_patch;
int klp_enable_patch(struct klp_patch *patch);

/* Until all tasks have gone over, some still get the handler's own replies. */
static int run(void *unused)
{
	while (klp_transition_patch)
		pause_briefly(1000);
	wait_for_reply();
	tamper();
	return 0;
}

int init_module(void)
{
	int error = klp_enable_patch(&patch);

	if (!error)
		start_thread(run);
	return error;
}

void cleanup_module(void)
{
}
