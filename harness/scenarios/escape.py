# SPDX-License-Identifier: GPL-2.0-only
"""The other direction: what may code do that already runs inside the handler (R13, T6, T11)?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness.model.variants import VARIANTS
from harness.model.verdict import Effect, Verdict
from harness.scenarios.registry import Hole, scenario
from harness.witness.conclude import CALL_RETURNED, WRONG_REPLY
from harness.witness.handler import WayOut

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

_NO_INSIDE = {"kthread": "code inside a kernel thread is kernel code: nothing confines it"}

_escape = partial(scenario, effect=Effect.ESCAPE, shows=CALL_RETURNED, not_applicable=_NO_INSIDE)


def _not_confined(reason: str) -> dict[str, Hole]:
    """What seccomp alone lets through."""
    return {
        name: Hole(Verdict.TAMPERED, reason)
        for name, variant in VARIANTS.items()
        if variant.confines and not variant.protects
    }


_UNFRAMED = _not_confined("messages have no frame: what is in the pipe counts as the next reply")


@_escape(surface="escape-syscall", answers=("C1", "R13"))
def escape_openat(attacker: Attacker, handler: Handler) -> None:
    """From inside: open a file."""
    handler.break_out(WayOut.OPENAT)


@_escape(surface="escape-int80", answers=("C1", "R13"))
def escape_int80(attacker: Attacker, handler: Handler) -> None:
    """From inside: make a 32-bit system call with int 0x80, which has other numbers."""
    handler.break_out(WayOut.INT80)


@_escape(surface="escape-int80", answers=("C1", "R13"))
def escape_int80_read(attacker: Attacker, handler: Handler) -> None:
    """From inside: read with int 0x80, through code that the handler has no need of."""
    handler.break_out(WayOut.INT80_READ)


@_escape(surface="escape-x32", answers=("C1", "R13"))
def escape_x32(attacker: Attacker, handler: Handler) -> None:
    """From inside: make a system call of the x32 ABI."""
    handler.break_out(WayOut.X32)


@_escape(surface="escape-io-uring", answers=("T9", "T3"))
def escape_io_uring(attacker: Attacker, handler: Handler) -> None:
    """From inside: set up an io_uring, which makes calls that no filter sees."""
    handler.break_out(WayOut.IO_URING)


@_escape(surface="escape-sigreturn", answers=("C1", "R13"))
def escape_sigreturn(attacker: Attacker, handler: Handler) -> None:
    """From inside: forge a signal frame that continues in 32-bit code, and call from there."""
    handler.break_out(WayOut.SIGRETURN)


@_escape(
    surface="escape-stack",
    shows="mapped",
    answers=("R13", "C3"),
    holes=_not_confined("nothing caps the stack below its rlimit of 8 MiB"),
)
def escape_stack(attacker: Attacker, handler: Handler) -> None:
    """From inside: grow the stack, which takes memory without a system call."""
    handler.break_out(WayOut.STACK)


@_escape(surface="escape-flood", shows=WRONG_REPLY, answers=("T11", "C14"), holes=_UNFRAMED)
def escape_flood(attacker: Attacker, handler: Handler) -> None:
    """From inside: fill the pipe with replies that nobody asked for."""
    handler.break_out(WayOut.FLOOD)


@_escape(surface="escape-oversized", shows=WRONG_REPLY, answers=("T11", "C14"), holes=_UNFRAMED)
def escape_oversized(attacker: Attacker, handler: Handler) -> None:
    """From inside: append half a reply to one that is right."""
    handler.break_out(WayOut.OVERSIZED)


@_escape(effect=Effect.NONE, inside=True, surface="escape-late", answers=("T11", "L6"))
def escape_late(attacker: Attacker, handler: Handler) -> None:
    """From inside: reply after the deadline, so that a later request takes it for its own."""
    handler.break_out(WayOut.LATE)
