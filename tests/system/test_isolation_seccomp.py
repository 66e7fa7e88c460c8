# SPDX-License-Identifier: GPL-2.0-only
"""The seccomp filter against a handler that makes system calls outside the allow-list."""

from __future__ import annotations

import struct
from errno import EBADF, EINTR
from os import WIFSIGNALED, WIFSTOPPED, WSTOPSIG, WTERMSIG
from signal import SIGKILL, SIGSYS, SIGTRAP
from typing import TYPE_CHECKING

import pytest

from harness.attacker.agent.syscalls import NUMBERS
from harness.attacker.agent.tracee import (
    PTRACE_GET_SYSCALL_INFO,
    PTRACE_INTERRUPT,
    PTRACE_O_TRACESYSGOOD,
    PTRACE_SEIZE,
    PTRACE_SYSCALL,
    Tracee,
)

if TYPE_CHECKING:
    from sample import Sample

    from harness.attacker import Attacker


X32 = 0x40000000
INT_80 = b"\xcd\x80"
NO_FD = 99
AUDIT_ARCH_I386, I386_RESTART_SYSCALL = 0x40000003, 0
SYSCALL_INFO = struct.Struct("<B3xI16xQ")
"""struct ptrace_syscall_info of include/uapi/linux/ptrace.h: op, arch and the entry's number."""
PTRACE_SYSCALL_INFO_ENTRY = 1
SYSCALL_STOP = SIGTRAP | 0x80


@pytest.mark.parametrize(
    ("variant", "number", "end"),
    [
        ("baseline", NUMBERS["getpid"], None),
        ("baseline", X32 | NUMBERS["close"], None),
        ("seccomp-strict", NUMBERS["getpid"], SIGKILL),
        ("seccomp-strict", NUMBERS["close"], SIGKILL),
        ("seccomp-strict", X32 | NUMBERS["read"], SIGKILL),
        ("seccomp-filter", NUMBERS["close"], None),
        ("seccomp-filter", NUMBERS["getpid"], SIGSYS),
        ("seccomp-filter", NUMBERS["rt_sigprocmask"], SIGSYS),
        ("seccomp-filter", X32 | NUMBERS["close"], SIGSYS),
    ],
)
def test_other_calls(attacker: Attacker, sample: Sample, number: int, end: int | None) -> None:
    """Of a handler that waits for a request, in which a tracer has another call made instead."""
    sample.write("1")
    tracee = stopped(attacker, sample.pid)
    tracee.run_to_entry("read")
    tracee.set_registers({**tracee.registers(), "orig_rax": number, "rdi": NO_FD})
    closing = number & ~X32 == NUMBERS["close"]
    made = 2**64 - EBADF if closing else sample.pid
    results: dict[int | None, int | None] = {None: made, SIGKILL: None, SIGSYS: number}
    assert outcome(attacker, tracee) == (end, results[end])


@pytest.mark.parametrize(
    ("variant", "end"),
    [("baseline", None), ("seccomp-strict", SIGKILL), ("seccomp-filter", SIGSYS)],
    ids=str,
)
def test_the_32_bit_entry(attacker: Attacker, sample: Sample, end: int | None) -> None:
    """The call that is restarted when the tracer goes on is made through int 0x80 instead."""
    sample.write("1")
    tracee = stopped(attacker, sample.pid)
    tracee.poke(tracee.registers()["rip"] - len(INT_80), INT_80)
    go_on(attacker, tracee)
    assert entered(attacker, tracee) == (AUDIT_ARCH_I386, I386_RESTART_SYSCALL)
    # Where it is made, it finds nothing to restart.
    results: dict[int | None, int | None] = {
        None: 2**64 - EINTR,
        SIGKILL: None,
        SIGSYS: I386_RESTART_SYSCALL,
    }
    assert outcome(attacker, tracee) == (end, results[end])


def stopped(attacker: Attacker, pid: int) -> Tracee:
    """Trace a process, and stop it; it may end without further ado."""
    attacker.ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD)
    attacker.ptrace(PTRACE_INTERRUPT, pid)
    tracee = Tracee(attacker, pid)
    tracee.wait()
    return tracee


def go_on(attacker: Attacker, tracee: Tracee) -> int:
    """Let it run to the next entry or exit of a call, or to its end; the wait status."""
    attacker.ptrace(PTRACE_SYSCALL, tracee.pid)
    return tracee.wait()


def entered(attacker: Attacker, tracee: Tracee) -> tuple[int, int]:
    """The architecture and the number of the call that is being entered."""
    info = bytearray(SYSCALL_INFO.size)
    attacker.syscall("ptrace", PTRACE_GET_SYSCALL_INFO, tracee.pid, len(info), info)
    at, architecture, number = SYSCALL_INFO.unpack(info)
    assert at == PTRACE_SYSCALL_INFO_ENTRY
    return architecture, number


def outcome(attacker: Attacker, tracee: Tracee) -> tuple[int | None, int | None]:
    """The signal that it dies of on the way from a call's entry to the next one's, and rax between.

    A filter kills by a signal that is taken on the way back to user space, when the tracer has
    been told that the call is over; it was not made, and rax has its number. Strict mode kills
    at once.
    """
    result = None
    for _ in ("exit", "next entry"):
        status = go_on(attacker, tracee)
        if WIFSIGNALED(status):
            return WTERMSIG(status), result
        assert WIFSTOPPED(status) and WSTOPSIG(status) == SYSCALL_STOP, hex(status)
        result = tracee.registers()["rax"] if result is None else result
    return None, result
