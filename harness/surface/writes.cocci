// SPDX-License-Identifier: GPL-2.0-only
// Writes through a pointer to a task, its signal state or its memory, by the pointer's type.
// One line each: what it points to, function, field, variable, file, line.

@task@
struct task_struct *t;
identifier f;
expression e;
position p;
assignment operator op;
identifier store = {WRITE_ONCE, rcu_assign_pointer};
identifier change = {
  smp_store_release, atomic_set, atomic_long_set, atomic_inc, atomic_dec, sigaddset, sigdelset,
  sigemptyset, sigorsets, sigandsets
};
identifier bit = {
  set_bit, clear_bit, __set_bit, __clear_bit, test_and_set_bit, test_and_clear_bit, atomic_or,
  atomic_andnot
};
@@
(
  t->f@p op e
|
  t->f@p++
|
  t->f@p--
|
  store(t->f@p, ...)
|
  change(&t->f@p, ...)
|
  bit(e, &t->f@p)
)

@script:python@
f << task.f;
t << task.t;
p << task.p;
@@
print("\t".join(["task", p[0].current_element, f, t, p[0].file, p[0].line]))

@flag@
struct task_struct *t;
position p;
identifier set = {
  set_tsk_thread_flag, clear_tsk_thread_flag, set_tsk_need_resched, clear_tsk_need_resched,
  set_task_syscall_work, clear_task_syscall_work, task_set_jobctl_pending,
  user_enable_single_step, user_enable_block_step, user_disable_single_step, set_notify_signal,
  task_work_add
};
@@
  set(t@p, ...)

@script:python@
t << flag.t;
p << flag.p;
@@
print("\t".join(["task", p[0].current_element, "flags", t, p[0].file, p[0].line]))

@task_signal@
struct task_struct *t;
identifier f;
expression e;
position p;
assignment operator op;
@@
(
  t->signal->f@p op e
|
  WRITE_ONCE(t->signal->f@p, e)
|
  t->signal->f@p++
)

@script:python@
f << task_signal.f;
t << task_signal.t;
p << task_signal.p;
@@
print("\t".join(["signal", p[0].current_element, f, t, p[0].file, p[0].line]))

@signal@
struct signal_struct *s;
identifier f;
expression e;
position p;
assignment operator op;
@@
(
  s->f@p op e
|
  WRITE_ONCE(s->f@p, e)
|
  s->f@p++
)

@script:python@
f << signal.f;
s << signal.s;
p << signal.p;
@@
print("\t".join(["signal", p[0].current_element, f, s, p[0].file, p[0].line]))

@memory@
struct mm_struct *m;
identifier bit = {set_bit, clear_bit, test_and_set_bit};
identifier f;
expression e;
position p;
assignment operator op;
@@
(
  m->f@p op e
|
  WRITE_ONCE(m->f@p, e)
|
  m->f@p++
|
  bit(e, &m->f@p)
)

@script:python@
f << memory.f;
m << memory.m;
p << memory.p;
@@
print("\t".join(["memory", p[0].current_element, f, m, p[0].file, p[0].line]))

// Which variables are the caller's own: only ever set from `current`.

@own_task@
struct task_struct *v;
position p;
@@
  v@p = current

@script:python@
v << own_task.v;
p << own_task.p;
@@
print("\t".join(["own", p[0].current_element, "-", v, p[0].file, p[0].line]))

@own_signal@
struct signal_struct *v;
position p;
@@
  v@p = current->signal

@script:python@
v << own_signal.v;
p << own_signal.p;
@@
print("\t".join(["own", p[0].current_element, "-", v, p[0].file, p[0].line]))

@own_memory@
struct mm_struct *v;
position p;
@@
  v@p = current->mm

@script:python@
v << own_memory.v;
p << own_memory.p;
@@
print("\t".join(["own", p[0].current_element, "-", v, p[0].file, p[0].line]))

@set@
{struct task_struct *, struct signal_struct *, struct mm_struct *} v;
expression e;
position p;
@@
  v@p = e

@script:python@
v << set.v;
e << set.e;
p << set.p;
@@
if not str(e).startswith("current"):
    print("\t".join(["other", p[0].current_element, "-", v, p[0].file, p[0].line]))
