// SPDX-License-Identifier: GPL-2.0-only
// Calls that send a signal without check_kill_permission(), and so without security_task_kill().
// One line each: callee, function, what it names as its target, file, line.

@to_task@
expression t, s, i;
identifier send = {do_send_sig_info, send_signal_locked, __send_signal_locked};
position p;
@@
  send@p(s, i, t, ...)

@script:python@
send << to_task.send;
t << to_task.t;
p << to_task.p;
@@
print("\t".join([send, p[0].current_element, "-", str(t), p[0].file, p[0].line]))

@by_number@
expression t, s;
identifier send = {send_sig, send_sig_info};
position p;
@@
(
  send_sig@send@p(s, t, ...)
|
  send_sig_info@send@p(s, ..., t)
)

@script:python@
send << by_number.send;
t << by_number.t;
p << by_number.p;
@@
print("\t".join([send, p[0].current_element, "-", str(t), p[0].file, p[0].line]))

// The permission is asked by these, but not of the kernel itself (SEND_SIG_PRIV).

@privileged@
expression t, s;
identifier send = {group_send_sig_info, kill_pid_info, kill_pid_info_type, __kill_pgrp_info};
position p;
@@
  send@p(s, \(SEND_SIG_PRIV\|(void *)1\|(struct kernel_siginfo *)1\), t, ...)

@script:python@
send << privileged.send;
t << privileged.t;
p << privileged.p;
@@
print("\t".join([send, p[0].current_element, "-", str(t), p[0].file, p[0].line]))

@kernels@
expression t, s, v != 0;
identifier send = {kill_pid, kill_pgrp};
position p;
@@
  send@p(t, s, v)

@script:python@
send << kernels.send;
t << kernels.t;
p << kernels.p;
@@
print("\t".join([send, p[0].current_element, "-", str(t), p[0].file, p[0].line]))

@others@
expression list es;
identifier send = {kill_cad_pid, send_sigqueue, kill_pid_usb_asyncio, send_sig_fault, send_sig_mceerr, send_sig_fault_trapno, force_sig_fault_to_task, force_sig_info_to_task, force_sig_ptrace_errno_trap, zap_other_threads};
position p;
@@
  send@p(es)

@script:python@
send << others.send;
es << others.es;
p << others.p;
@@
print("\t".join([send, p[0].current_element, "-", str(es), p[0].file, p[0].line]))
