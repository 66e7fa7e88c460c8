# SPDX-License-Identifier: GPL-2.0-only
"""System calls that another process makes because its tracer wants it to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.attacker.errors import GuestError
from harness.attacker.protocol import failed
from harness.attacker.syscalls import NUMBERS
from harness.attacker.tracee import PTRACE_SYSCALL

if TYPE_CHECKING:
    from harness.attacker.attacker import Attacker
    from harness.attacker.tracee import Tracee

_SYSCALL_SIZE = 2
"""Bytes of the instruction `syscall`."""

_RED_ZONE = 128
"""Bytes below the stack pointer that a function may use (x86-64 psABI, 3.2.2)."""

_NO_CALL = (1 << 64) - 1
_SIGNED = 1 << 63


def inject(attacker: Attacker, tracee: Tracee, call: str, path: str) -> None:
    """Have a tracee that was stopped in a system call make one with a path, then go on as before.

    Raises GuestError where the kernel refuses it.
    """
    before = tracee.registers()
    room = before["rsp"] - _RED_ZONE - len(path) - 8 & -8
    tracee.poke(room, path.encode() + b"\0")
    wanted = {"rip": before["rip"] - _SYSCALL_SIZE, "rax": NUMBERS[call], "rdi": room}
    # Without a call that was interrupted there is none to restart first.
    tracee.set_registers(before | wanted | {"orig_rax": _NO_CALL})
    tracee.run_to_entry(call)
    attacker.ptrace(PTRACE_SYSCALL, tracee.pid)
    tracee.wait()
    result = tracee.registers()["rax"]
    tracee.set_registers(before)
    result -= 2 * (result & _SIGNED)
    if failed(result):
        raise GuestError(-result, call)
