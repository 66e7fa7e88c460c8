// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loader of the handler, which the aftermath loads anew, with the handler's own program in it.
 * It tampers with the handler that it has started, and answers in its place.
 */
#include "answer.h"

extern const char blob[], blob_end[];
extern char umd_witness_mgmt[];

int umd_witness_load(int program, const char *start, const char *end);
int umd_mgmt_unload(void *mgmt);

asm(".section .rodata\n"
    "blob: .incbin \"" HANDLER "\"\n"
    "blob_end:\n"
    ".text");

static int run(void *unused)
{
	wait_for_phase(WITNESS_PHASES);
	tamper();
	return 0;
}

int init_module(void)
{
	clear_taint();
	take_place();
	start_thread(run);
	return umd_witness_load(0, blob, blob_end);
}

void cleanup_module(void)
{
	umd_mgmt_unload(umd_witness_mgmt);
}
