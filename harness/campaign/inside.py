# SPDX-License-Identifier: GPL-2.0-only
"""Programs that the handler itself runs, after an attacker has taken it over (R13, T11).

Their calls have numbers and addresses of the handler as arguments, and three arguments at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from harness.attacker.agent.syscalls import NUMBERS as CALL_NUMBERS
from harness.campaign.program import Call, Number, Program
from harness.campaign.resources import NUMBERS, SIZES
from harness.witness.evidence import X32_BIT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

NATIVE, COMPAT, X32 = "syscall", "int80", "x32"
"""The names of calls whose first argument is their number, by the way into the kernel."""

NOT_ON_THREADS = "code inside a kernel thread is kernel code"
"""Why `kthread` runs no such program."""

_ALLOWED: Final = ("read", "write")
"""Calls that the handler's filter lets through. Each of them is another way in than the rest."""
_HARMLESS: Final = ("close", "uretprobe")
"""Calls that some filters let through as well, and that take nothing when they return."""
_NATIVE_CALLS: Final = [number for name, number in CALL_NUMBERS.items() if name not in _HARMLESS]
_X32_CALLS: Final = [*_NATIVE_CALLS, *range(512, 548)]
"""x32 has calls of its own (arch/x86/entry/syscalls/syscall_64.tbl)."""
_COMPAT_CALLS: Final = [-1, *range(470)]
"""More than the table of 32-bit calls has (arch/x86/entry/syscalls/syscall_32.tbl)."""
_CALLS: Final = {NATIVE: _NATIVE_CALLS, X32: _X32_CALLS, COMPAT: _COMPAT_CALLS}
_ARGUMENTS: Final = 3


class InsideCall(NamedTuple):
    """A call that the handler is told to make (`Handler.make_call`)."""

    number: int
    arguments: tuple[int, ...]
    is_compat: bool
    """By int 0x80."""


@dataclass(frozen=True)
class Inside:
    """Makes programs that the handler runs."""

    addresses: Sequence[int]
    """The addresses of variables of the handler that obeys an attacker."""

    def program(self, random: Random) -> Program:
        """Return a new program of one to three calls."""
        count = random.choice((1, 1, 2, 3))
        return Program(tuple(self._call(random) for _ in range(count)), inside=True)

    def _call(self, random: Random) -> Call:
        if random.random() < 0.5:
            place, size = random.choice(self.addresses), random.choice(SIZES)
            args = (random.randrange(3), place, size)
            return Call(random.choice(_ALLOWED), tuple(map(Number, args)))
        name = random.choice((NATIVE, NATIVE, X32, COMPAT))
        values = random.choices((*self.addresses, *NUMBERS), k=_ARGUMENTS)
        return Call(name, tuple(map(Number, (random.choice(_CALLS[name]), *values))))


def inside_call(call: Call) -> InsideCall:
    """Return what the handler is told to make a call of such a program. Raises ValueError."""
    values = [argument.value for argument in call.args if isinstance(argument, Number)]
    if len(values) != len(call.args):
        raise ValueError(f"a handler makes no call {call}")
    if call.name in (NATIVE, COMPAT, X32):
        number, *values = values
    else:
        number = CALL_NUMBERS[call.name]
    bit = X32_BIT if call.name == X32 else 0
    return InsideCall(number | bit, tuple(values), is_compat=call.name == COMPAT)
