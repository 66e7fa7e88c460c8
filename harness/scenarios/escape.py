# SPDX-License-Identifier: GPL-2.0-only
"""Attacks from inside: code that runs in the handler tries to leave it (R13, T6, T11)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness.model.variants import VARIANTS
from harness.model.verdict import Effect, Verdict
from harness.scenarios.registry import Hole, scenario
from harness.witness.evidence import CALL_RETURNED, WRONG_REPLY
from harness.witness.handler import WayOut

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

_NO_INSIDE = {"kthread": "code inside a kernel thread is kernel code, which nothing confines"}

_escape = partial(scenario, effect=Effect.ESCAPE, shows=CALL_RETURNED, not_applicable=_NO_INSIDE)


def _not_confined(reason: str) -> dict[str, Hole]:
    """Give the variants that have only seccomp this hole."""
    return {
        name: Hole(Verdict.TAMPERED, reason)
        for name, variant in VARIANTS.items()
        if variant.confines and not variant.protects
    }


_UNFRAMED = _not_confined("messages have no frame, so any bytes in the pipe are the next reply")


@_escape(surface="escape-syscall", answers=("C1", "R13"))
def escape_openat(attacker: Attacker, handler: Handler) -> None:
    """From inside: open a file."""
    handler.break_out(WayOut.OPENAT)


@_escape(surface="escape-int80", answers=("C1", "R13"))
def escape_int80(attacker: Attacker, handler: Handler) -> None:
    """From inside: call getpid(2) with int 0x80, where system calls have other numbers."""
    handler.break_out(WayOut.INT80)


@_escape(surface="escape-int80", answers=("C1", "R13"))
def escape_int80_read(attacker: Attacker, handler: Handler) -> None:
    """From inside: call read(2) with int 0x80, an ABI that the handler does not need."""
    handler.break_out(WayOut.INT80_READ)


@_escape(surface="escape-int80", answers=("C1", "R13"))
def escape_int80_none(attacker: Attacker, handler: Handler) -> None:
    """From inside: call -1 with int 0x80, the number that ends seccomp's own list of calls."""
    handler.break_out(WayOut.INT80_NONE)


@_escape(surface="escape-x32", answers=("C1", "R13"))
def escape_x32(attacker: Attacker, handler: Handler) -> None:
    """From inside: call getpid(2) of the x32 ABI."""
    handler.break_out(WayOut.X32)


@_escape(surface="escape-io-uring", answers=("T9", "T3"))
def escape_io_uring(attacker: Attacker, handler: Handler) -> None:
    """From inside: call io_uring_setup(2). No seccomp filter sees what an io_uring does."""
    handler.break_out(WayOut.IO_URING)


@_escape(surface="escape-sigreturn", answers=("C1", "R13"))
def escape_sigreturn(attacker: Attacker, handler: Handler) -> None:
    """From inside: return from a forged signal frame to 32-bit code and call getpid(2) there."""
    handler.break_out(WayOut.SIGRETURN)


@_escape(
    surface="escape-stack",
    shows="mapped",
    answers=("R13", "C3"),
    holes=_not_confined("the stack may grow up to its rlimit of 8 MiB"),
)
def escape_stack(attacker: Attacker, handler: Handler) -> None:
    """From inside: grow the stack by 1 MiB, which takes memory without a system call."""
    handler.break_out(WayOut.STACK)


@_escape(surface="escape-flood", shows=WRONG_REPLY, answers=("T11", "C14"), holes=_UNFRAMED)
def escape_flood(attacker: Attacker, handler: Handler) -> None:
    """From inside: fill the reply pipe with replies to no request."""
    handler.break_out(WayOut.FLOOD)


@_escape(surface="escape-oversized", shows=WRONG_REPLY, answers=("T11", "C14"), holes=_UNFRAMED)
def escape_oversized(attacker: Attacker, handler: Handler) -> None:
    """From inside: append half a reply to a correct reply."""
    handler.break_out(WayOut.OVERSIZED)


@_escape(effect=Effect.NONE, inside=True, surface="escape-late", answers=("T11", "L6"))
def escape_late(attacker: Attacker, handler: Handler) -> None:
    """From inside: reply after the deadline, so that a later request gets this reply."""
    handler.break_out(WayOut.LATE)
