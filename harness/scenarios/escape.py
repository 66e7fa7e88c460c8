# SPDX-License-Identifier: GPL-2.0-only
"""The other direction: what may code do that already runs inside the handler (R13, T6, T11)?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.handler import WayOut
from harness.scenarios.registry import Hole, scenario
from harness.variants import VARIANTS
from harness.witness.verdict import Effect, Verdict

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.handler import Handler

_NO_INSIDE = {"kthread": "code inside a kernel thread is kernel code: nothing confines it"}

_CONFINED = [name for name, variant in VARIANTS.items() if variant.confines]


def _unconfined(reason: str) -> dict[str, Hole]:
    return {variant: Hole(Verdict.TAMPERED, reason) for variant in _CONFINED}


_UNFRAMED = _unconfined("messages have no frame: what is in the pipe counts as the next reply")


@scenario(
    effect=Effect.ESCAPE, surface="escape-syscall", answers=("C1", "R13"), not_applicable=_NO_INSIDE
)
def escape_openat(attacker: Attacker, handler: Handler) -> None:
    """From inside: open a file."""
    handler.break_out(WayOut.OPENAT)


@scenario(
    effect=Effect.ESCAPE, surface="escape-int80", answers=("C1", "R13"), not_applicable=_NO_INSIDE
)
def escape_int80(attacker: Attacker, handler: Handler) -> None:
    """From inside: make a 32-bit system call with int 0x80, which has other numbers."""
    handler.break_out(WayOut.INT80)


@scenario(
    effect=Effect.ESCAPE, surface="escape-x32", answers=("C1", "R13"), not_applicable=_NO_INSIDE
)
def escape_x32(attacker: Attacker, handler: Handler) -> None:
    """From inside: make a system call of the x32 ABI."""
    handler.break_out(WayOut.X32)


@scenario(
    effect=Effect.ESCAPE, surface="escape-io-uring", answers=("T9", "T3"), not_applicable=_NO_INSIDE
)
def escape_io_uring(attacker: Attacker, handler: Handler) -> None:
    """From inside: set up an io_uring, which makes calls that no filter sees."""
    handler.break_out(WayOut.IO_URING)


@scenario(
    effect=Effect.ESCAPE,
    surface="escape-sigreturn",
    answers=("C1", "R13"),
    not_applicable=_NO_INSIDE,
)
def escape_sigreturn(attacker: Attacker, handler: Handler) -> None:
    """From inside: forge a signal frame that continues in 32-bit code, and call from there."""
    handler.break_out(WayOut.SIGRETURN)


@scenario(
    effect=Effect.ESCAPE,
    surface="escape-stack",
    answers=("R13", "C3"),
    not_applicable=_NO_INSIDE,
    holes=_unconfined("nothing caps the stack below its rlimit of 8 MiB"),
)
def escape_stack(attacker: Attacker, handler: Handler) -> None:
    """From inside: grow the stack, which takes memory without a system call."""
    handler.break_out(WayOut.STACK)


@scenario(
    effect=Effect.ESCAPE,
    surface="escape-flood",
    answers=("T11", "C14"),
    not_applicable=_NO_INSIDE,
    holes=_UNFRAMED,
)
def escape_flood(attacker: Attacker, handler: Handler) -> None:
    """From inside: fill the pipe with replies that nobody asked for."""
    handler.break_out(WayOut.FLOOD)


@scenario(
    effect=Effect.ESCAPE,
    surface="escape-oversized",
    answers=("T11", "C14"),
    not_applicable=_NO_INSIDE,
    holes=_UNFRAMED,
)
def escape_oversized(attacker: Attacker, handler: Handler) -> None:
    """From inside: append half a reply to one that is right."""
    handler.break_out(WayOut.OVERSIZED)


@scenario(
    effect=Effect.NONE,
    inside=True,
    surface="escape-late",
    answers=("T11", "L6"),
    not_applicable=_NO_INSIDE,
)
def escape_late(attacker: Attacker, handler: Handler) -> None:
    """From inside: never reply, so that a later request takes the reply for its own."""
    handler.break_out(WayOut.LATE)
