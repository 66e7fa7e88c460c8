// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module answers in the handler's place. FROM_PHASE: it tampers with the handler only from that
 * phase of the aftermath on. Its exit restores all.
 */
#include "answer.h"

static int run(void *unused)
{
#ifdef FROM_PHASE
	wait_for_phase(FROM_PHASE);
#endif
	wait_for_reply();
	tamper();
	return 0;
}

int init_module(void)
{
	take_place();
	start_thread(run);
	return 0;
}

void cleanup_module(void)
{
	give_place_back();
	restore();
	clear_taint();
}
