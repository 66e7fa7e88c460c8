// SPDX-License-Identifier: GPL-2.0-only
/*
 * By ftrace the library's function returns what the handler should have replied. Its exit restores
 * the handler.
 */
#include "kernel.h"

#define RIP		16		/* among the words of struct pt_regs */
#define SAVE_REGS	(1UL << 2)	/* FTRACE_OPS_FL_SAVE_REGS */
#define IPMODIFY	(1UL << 12)	/* FTRACE_OPS_FL_IPMODIFY */

int umd_mgmt_send_recv(void *mgmt, const void *in, ulong in_size, void *out, ulong out_size);

static bool inside;

static int send_recv(void *mgmt, const void *in, ulong in_size, void *out, ulong out_size)
{
	int error;

	inside = true;
	error = umd_mgmt_send_recv(mgmt, in, in_size, out, out_size);
	inside = false;
	if (!error)
		answer(in, out);
	return error;
}

static void redirect(ulong ip, ulong parent, void *ops, ulong *registers)
{
	if (!inside)
		registers[RIP] = (ulong)send_recv;
}

static struct ftrace_ops {
	void (*function)(ulong ip, ulong parent, void *ops, ulong *registers);
	void *next;
	ulong flags;
	char rest[512];
} ops = {
	.function = redirect,
	.flags = SAVE_REGS | IPMODIFY,
};

int ftrace_set_filter_ip(struct ftrace_ops *ops, ulong ip, int remove, int reset);
int register_ftrace_function(struct ftrace_ops *ops);
int unregister_ftrace_function(struct ftrace_ops *ops);

int init_module(void)
{
	int error = ftrace_set_filter_ip(&ops, (ulong)umd_mgmt_send_recv, 0, 0);

	if (!error)
		error = register_ftrace_function(&ops);
	if (error)
		return error;
	wait_for_reply();
	tamper();
	return 0;
}

void cleanup_module(void)
{
	unregister_ftrace_function(&ops);
	restore();
	clear_taint();
}
