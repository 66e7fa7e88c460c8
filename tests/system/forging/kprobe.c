// SPDX-License-Identifier: GPL-2.0-only
/* A kprobe lets the witness take any reply for a right reply. Its exit restores the handler. */
#include "kernel.h"

#define EAX	10	/* among the words of struct pt_regs */
#define RIP	16
#define RSP	19
#define SKIP	1	/* the probed instruction */

bool is_right(const void *request, const void *reply, const unsigned char *chain);

static int say_yes(void *probe, ulong *registers);
static void do_nothing(void *probe, ulong *registers, ulong flags) { }

static struct kprobe {
	void *lists[4];
	ulong missed;
	void *address;
	const char *name;
	ulong offset;
	int (*before)(void *probe, ulong *registers);
	void (*after)(void *probe, ulong *registers, ulong flags);
	char rest[192];
} probe = {
	.address = (void *)is_right,
	.before = say_yes,
	.after = do_nothing,	/* an optimised probe, which has none, cannot skip */
};

int register_kprobe(struct kprobe *probe);
void unregister_kprobe(struct kprobe *probe);

static int say_yes(void *unused, ulong *registers)
{
	registers[EAX] = 1;
	registers[RIP] = *(ulong *)registers[RSP];
	registers[RSP] += sizeof(ulong);
	return SKIP;
}

int init_module(void)
{
	int error = register_kprobe(&probe);

	if (!error)
		tamper();
	return error;
}

void cleanup_module(void)
{
	unregister_kprobe(&probe);
	restore();
	clear_taint();
}
