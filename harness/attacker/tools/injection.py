# SPDX-License-Identifier: GPL-2.0-only
"""System calls that another process makes because its tracer wants it to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.attacker.agent.protocol import failed

if TYPE_CHECKING:
    from harness.attacker.agent.tracee import Tracee

_RED_ZONE = 128
"""Bytes below the stack pointer that a function may use (x86-64 psABI, 3.2.2)."""


def inject(tracee: Tracee, call: str, path: str) -> None:
    """Have a tracee make a system call with a path before its own next one.

    Raises GuestError where the kernel refuses it.
    """
    tracee.run_to_entry()
    room = tracee.registers()["rsp"] - _RED_ZONE - len(path) - 8 & -8
    tracee.poke(room, path.encode() + b"\0")
    result = tracee.call_before(call, rdi=room)
    if failed(result):
        raise GuestError(-result, call)
