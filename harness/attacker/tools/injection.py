# SPDX-License-Identifier: GPL-2.0-only
"""System calls injected into a traced process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.attacker.agent.protocol import failed

if TYPE_CHECKING:
    from harness.attacker.agent.tracee import Tracee

_RED_ZONE = 128
"""Bytes below the stack pointer that a function may use (x86-64 psABI, 3.2.2)."""


def inject(tracee: Tracee, call: str, path: str) -> None:
    """Make a tracee call `call(path)` before its own next system call.

    The path is written below the red zone of the tracee's stack. Raises GuestError if the call
    fails.
    """
    tracee.run_to_entry()
    room = tracee.registers()["rsp"] - _RED_ZONE - len(path) - 8 & -8
    tracee.poke(room, path.encode() + b"\0")
    result = tracee.call_before(call, rdi=room)
    if failed(result):
        raise GuestError(-result, call)
