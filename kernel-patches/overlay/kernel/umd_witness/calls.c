// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the handler itself does: the system calls it gets away with beyond the four or
 * six that it needs, and how it ends. Seccomp comes before the entry's tracepoint: what it
 * stops never gets here.
 */
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/syscalls.h>
#include <linux/thread_info.h>
#include <trace/events/sched.h>
#include <trace/events/syscalls.h>

#include "witness.h"

static bool is_allowed(long nr)
{
	switch (nr) {
	case __NR_read:
	case __NR_write:
	case __NR_close:
	case __NR_exit:
	case __NR_exit_group:
	case __NR_rt_sigreturn:
		return true;
	}
	return false;
}

static void see_enter(void *unused, struct pt_regs *regs, long nr)
{
	u64 entry = in_ia32_syscall() ? WITNESS_COMPAT : WITNESS_NATIVE;
	struct witness_sight *sight = witness_sees(current);

	if (!sight)
		return;
	sight->writes = entry == WITNESS_NATIVE && nr == __NR_write;
	if (entry == WITNESS_NATIVE && is_allowed(nr))
		sight->entered = WITNESS_NO_CALL;
	else
		sight->entered = entry << 32 | (u32)nr;
}

static void see_exit(void *unused, struct pt_regs *regs, long ret)
{
	struct witness_sight *sight = witness_sees(current);

	if (!sight)
		return;
	if (sight->writes && ret > 0)
		WRITE_ONCE(sight->written, sight->written + ret);
	if (sight->entered == WITNESS_NO_CALL)
		return;

	witness_note_return(sight->entered, ret);
	sight->entered = WITNESS_NO_CALL;
}

static void see_end(void *unused, struct task_struct *task)
{
	if (witness_sees(task))
		witness_note_end(task, witness_forget(task));
}

void __init witness_calls_init(void)
{
	if (register_trace_sys_enter(see_enter, NULL) || register_trace_sys_exit(see_exit, NULL) ||
	    register_trace_sched_process_exit(see_end, NULL))
		pr_err("umd_witness: the handler's calls cannot be watched\n");
}
