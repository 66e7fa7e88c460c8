// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handler gets another secret, and a thread rewrites the tally. HIDDEN: nothing shows that the
 * module is there. FROM_PHASE: it waits for that phase of the aftermath, and for two right replies
 * in it. Its exit restores all.
 */
#include "kernel.h"

static struct task_struct *thread;

static void wait_for_phase(void)
{
#ifdef FROM_PHASE
	__u32 loads = umd_witness_tally.count.loads, right;

	while (umd_witness_tally.phase < FROM_PHASE)
		pause_briefly(500);
	/* the last one begins by unloading the loader */
	while (FROM_PHASE == WITNESS_PHASES && umd_witness_tally.count.loads == loads)
		pause_briefly(500);
	for (right = umd_witness_tally.count.right; umd_witness_tally.count.right < right + 2;)
		pause_briefly(500);
#endif
}

static int run(void *unused)
{
	wait_for_phase();
	tamper();
	while (!kthread_should_stop()) {
		hide();
		pause_briefly(100);
	}
	return 0;
}

int init_module(void)
{
#ifdef HIDDEN
	leave_list();
	clear_taint();
#endif
	thread = start_thread(run);
	return 0;
}

void cleanup_module(void)
{
	kthread_stop(thread);
	restore();
	clear_taint();
}
