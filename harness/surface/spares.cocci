// SPDX-License-Identifier: GPL-2.0-only
// Places that may tell a kernel thread from a process, and calls that ask about a user mode driver.
// One line each: kind, function, what is asked, column, file, line.

@flag@
identifier bit = {PF_KTHREAD, PF_USER_WORKER, PF_IO_WORKER};
position p;
@@
  bit@p

@script:python@
bit << flag.bit;
p << flag.p;
@@
print("\t".join(["flag", p[0].current_element, bit, p[0].column, p[0].file, p[0].line]))

@call@
identifier ask = {
  user_mode, task_pt_regs, is_global_init, is_user_task, find_lock_task_mm, kthread_is_per_cpu,
  is_per_cpu_kthread
};
position p;
@@
  ask@p(...)

@script:python@
ask << call.ask;
p << call.p;
@@
print("\t".join(["call", p[0].current_element, ask, p[0].column, p[0].file, p[0].line]))

@memory@
struct task_struct *t;
position p;
@@
  \(t\|current\)->mm@p

@script:python@
p << memory.p;
@@
print("\t".join(["memory", p[0].current_element, "mm", p[0].column, p[0].file, p[0].line]))

@asks@
identifier ask = {umd_defended, umd_is_isolated, umd_bars_probes};
position p;
@@
  ask@p(...)

@script:python@
ask << asks.ask;
p << asks.p;
@@
print("\t".join(["asks", p[0].current_element, ask, p[0].column, p[0].file, p[0].line]))
