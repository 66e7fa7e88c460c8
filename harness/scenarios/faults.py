# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on the handler's system calls by fault injection and by audit."""

from __future__ import annotations

from errno import EIO
from functools import partial
from os import SCHED_OTHER
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import NoTarget
from harness.attacker.agent.syscalls import NUMBERS
from harness.attacker.tools.audit import Audit, find_thread
from harness.attacker.tools.kernel_threads import on_forking_threads
from harness.attacker.tools.priority import run_almost_never
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import on_isolated, on_kthread
from harness.scenarios.registry import BY_OPEN, scenario
from harness.witness.latency import SLOW_NS

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

FAIL_FUNCTION = "/sys/kernel/debug/fail_function"
WRITE = "__x64_sys_write"
TOO_LONG = SLOW_NS * 3 // 2
BACKLOG = 8
"""Records that may wait. With more, the kernel also stops the task that sent it a rule."""
LOOKS = 5
NTH = b"16"
"""The fault point that fails. A request has at least one, so the witness sees the mark before."""

FAIL_ALIKE = on_kthread(
    Verdict.TAMPERED,
    "a kernel thread can be marked as well, though it makes no system call that could fail",
    partly=True,
)


_by_fault = partial(
    scenario,
    effect=Effect.AVAILABILITY,
    also=(Effect.INTEGRITY,),
    shows="faults",
    answers=("L5", "T1"),
    reach="get_pid_task",
    holes=on_isolated(
        Verdict.TAMPERED,
        "no hook guards the file that marks the handler, though no call of the handler fails",
        partly=True,
    )
    | FAIL_ALIKE,
)


def prepare_to_fail(attacker: Attacker) -> None:
    """Have write(2) fail in each process with make-it-fail, as soon as `probability` is set."""
    with attacker.setup():
        attacker.write_file(f"{FAIL_FUNCTION}/inject", WRITE.encode())
        attacker.write_file(f"{FAIL_FUNCTION}/{WRITE}/retval", f"{-EIO % 2**64:#x}".encode())
        attacker.write_file(f"{FAIL_FUNCTION}/task-filter", b"Y")
        attacker.write_file(f"{FAIL_FUNCTION}/times", b"-1")
        attacker.write_file(f"{FAIL_FUNCTION}/verbose", b"0")


@_by_fault(
    surface="fail-nth",
    needs=("FAULT_INJECTION_USERCOPY",),
)
def fail_nth(attacker: Attacker, handler: Handler) -> None:
    """Write 16 to /proc/<pid>/fail-nth. A later copy of a request to the handler fails."""
    attacker.write_file(f"/proc/{handler.pid}/fail-nth", NTH)


@_by_fault(
    surface="make-it-fail-fail-function",
    needs=("FAIL_FUNCTION",),
    lockdown=BY_OPEN,
)
def fail_function(attacker: Attacker, handler: Handler) -> None:
    """Set make-it-fail on the handler and have fail_function return EIO from its write(2)."""
    prepare_to_fail(attacker)
    attacker.write_file(f"/proc/{handler.pid}/make-it-fail", b"1")
    handler.wait_for_request()
    attacker.write_file(f"{FAIL_FUNCTION}/probability", b"100")
    handler.wait_for_request()


@_by_fault(
    surface="make-it-fail-fail-function",
    needs=("FAIL_FUNCTION",),
    target="start",
    holes=FAIL_ALIKE,
    lockdown=BY_OPEN,
)
def make_it_fail_inherit(attacker: Attacker, handler: Handler) -> None:
    """Set make-it-fail on the worker threads. The next handler inherits it; its write(2) fails."""
    prepare_to_fail(attacker)
    on_forking_threads(attacker, lambda pid: attacker.write_file(f"/proc/{pid}/make-it-fail", b"1"))
    attacker.write_file(f"{FAIL_FUNCTION}/probability", b"100")
    handler.restart()


@scenario(
    effect=Effect.AVAILABILITY,
    surface="audit-backlog-stall",
    answers=("L5", "T4"),
    reach="audit_rule_change",
    target="system",
)
def audit_backlog_stall(attacker: Attacker, handler: Handler) -> None:
    """Audit the handler's system calls and starve kauditd. They sleep while the backlog is full."""
    kauditd = find_thread(attacker)
    with Audit(attacker) as audit:
        audit.enable(backlog=BACKLOG)
        handler.restart()  # a process that was forked before is not audited
        handler.wait_for_request()
        run_almost_never(attacker, kauditd)
        audit.record_calls(handler.pid)
        handler.let_pass(TOO_LONG)
    attacker.sched_setscheduler(kauditd, SCHED_OTHER, 0)
    handler.wait_for_request()


@scenario(
    effect=Effect.STEP,
    surface="audit-backlog-stall",
    through="audit_log_start",
    answers=("L5", "T4"),
    no_target_at="audit_rule_change",
    target="system",
)
def audit_calls(attacker: Attacker, handler: Handler) -> None:
    """Audit the handler's system calls. The records give the address of its request buffer."""
    with Audit(attacker) as audit:
        audit.enable(backlog=0)
        handler.restart()
        handler.wait_for_request()
        audit.record_calls(handler.pid)
        audit.become_daemon()
        reads: list[dict[str, int]] = []
        for _ in range(LOOKS):
            handler.wait_for_request()
            reads += [call for call in audit.calls() if call["syscall"] == NUMBERS["read"]]
            if len(reads) > 1:
                break
    if not reads:
        raise NoTarget("it makes no system calls")
    # The longest read is that of a request: a frame is shorter, and so is the rest of a request.
    # A request to parse something has a longer read, that of the input.
    messages = [call for call in reads if call["a2"] <= handler.request_size]
    longest = max(messages, key=lambda call: call["a2"])
    attacker.gain("where its requests arrive", longest["a1"], truth=handler.symbol("request"))
