# SPDX-License-Identifier: GPL-2.0-only
"""Programs: short sequences of system calls with typed arguments, which refer to what they need.

A program names no pid and no descriptor by its number. So the same program runs on any machine.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CALLS_MAX: Final = 12
"""The most calls of a program (executor.c)."""

PAGE: Final = 4096
"""Bytes in a page."""

WHOSE: Final = (
    *("handler", "worker", "kthreadd", "init", "self", "bystander", "group", "everyone"),
    "caller",
)
"""The processes that a program may name. `worker` is a kworker that forks handlers (kthreadd if
there is none), `bystander` an idle process of the attacker, `group` the handler's pid negated,
`everyone` is -1, `caller` the kernel thread that sends requests to the handler."""

FACTS: Final = ("address", "frame", "kprobe")
"""The other numbers that a program may name: the physical address of the handler's state when the
batch begins, the number of its page frame, and the type of performance events that are kprobes."""

NAMES: Final = (*WHOSE, *FACTS)
"""All that a program may name, in the order of executor.c."""

PLACE: Final = re.compile(rf"\{{({'|'.join(NAMES)})\}}")
"""How a string names one of `NAMES`: it stands for the number in decimal."""


class Number(msgspec.Struct, frozen=True, tag="number"):
    """A number that is passed as it is."""

    value: int


class Pid(msgspec.Struct, frozen=True, tag="pid"):
    """The pid of one of `WHOSE`."""

    whose: str

    def __post_init__(self) -> None:
        """Refuse a process that no program may name. Raises ValueError."""
        if self.whose not in WHOSE:
            raise ValueError(f"programs name no process {self.whose!r}")


class Fact(msgspec.Struct, frozen=True, tag="fact"):
    """One of `FACTS`."""

    name: str

    def __post_init__(self) -> None:
        """Refuse a fact that the executor does not know. Raises ValueError."""
        if self.name not in FACTS:
            raise ValueError(f"programs name no fact {self.name!r}")


class Made(msgspec.Struct, frozen=True, tag="made"):
    """The result of an earlier call of the program, such as a descriptor; -1 if that failed."""

    call: int
    """The call's place in the program."""


class Text(msgspec.Struct, frozen=True, tag="text"):
    """A string. `{handler}` and the like stand for numbers in decimal."""

    text: str


class Room(msgspec.Struct, frozen=True, tag="room"):
    """Zeroed memory that the kernel may write. The executor shows its content to the host."""

    size: int


class Data(msgspec.Struct, frozen=True, tag="data"):
    """Memory with this content, of which some fields are arguments themselves."""

    content: bytes
    fields: tuple[tuple[int, int, Number | Pid | Fact | Made | Text | Room | Data], ...] = ()
    """Offset and width in bytes, 4 or 8, and what is there; of memory, the address."""

    size: int = 0
    """Bytes of memory, if more than the content. Memory of whole pages is aligned to a page."""


Argument = Number | Pid | Fact | Made | Text | Room | Data


class Call(msgspec.Struct, frozen=True):
    """One system call."""

    name: str
    args: tuple[Argument, ...] = ()


class Program(msgspec.Struct, frozen=True):
    """Calls that one process makes in order."""

    calls: tuple[Call, ...]
    stays: bool = False
    """The process lives on, with all that it has open, through the aftermath and its restarts."""
    repeats: bool = False
    """A process that stays makes its calls again at each handler that starts, as soon as it can."""
    inside: bool = False
    """The handler itself makes the calls (inside.py), and no process of the attacker's."""


def with_calls(program: Program, calls: Iterable[Call]) -> Program:
    """Return a program with other calls, whose process stays as long as the given one's."""
    return msgspec.structs.replace(program, calls=tuple(calls))


def with_argument(program: Program, at: int, place: int, argument: Argument) -> Program:
    """Return the program with another argument at `place` of the call at `at`."""
    call = program.calls[at]
    args = (*call.args[:place], argument, *call.args[place + 1 :])
    calls = (*program.calls[:at], Call(call.name, args), *program.calls[at + 1 :])
    return with_calls(program, calls)


def parts(argument: Argument) -> tuple[Argument, ...]:
    """Return the argument, and the arguments that are fields of it, or of its fields."""
    if isinstance(argument, Data):
        return (argument, *(part for _, _, field in argument.fields for part in parts(field)))
    return (argument,)


def all_arguments(program: Program) -> list[Argument]:
    """Return all arguments of a program, and the arguments that are fields of them."""
    return [part for call in program.calls for one in call.args for part in parts(one)]


def names(program: Program) -> set[str]:
    """Return which of `NAMES` a program names."""
    found: set[str] = set()
    for argument in all_arguments(program):
        match argument:
            case Pid(name) | Fact(name):
                found.add(name)
            case Text(text):
                found.update(PLACE.findall(text))
    return found


def _moved(argument: Argument, to: dict[int, int]) -> Argument:
    """Return the argument with the places of calls replaced. What has no place becomes -1."""
    if isinstance(argument, Made):
        return Made(to[argument.call]) if argument.call in to else Number(-1)
    if isinstance(argument, Data):
        fields = tuple((at, width, _moved(field, to)) for at, width, field in argument.fields)
        return msgspec.structs.replace(argument, fields=fields)
    return argument


def _call_moved(call: Call, to: dict[int, int]) -> Call:
    return Call(call.name, tuple(_moved(argument, to) for argument in call.args))


def ordered(program: Program, places: Sequence[int]) -> Program:
    """Return the program with the calls of these places, in this order; a place may come twice.

    A reference to a call that does not come earlier becomes -1.
    """
    calls: list[Call] = []
    to: dict[int, int] = {}
    for place in places:
        calls.append(_call_moved(program.calls[place], to))
        to[place] = len(calls) - 1
    return with_calls(program, calls)


def joined(programs: Sequence[Program]) -> Program:
    """Return one program with the calls of all of them."""
    calls: list[Call] = []
    for program in programs:
        shift = {place: place + len(calls) for place in range(len(program.calls))}
        calls += [_call_moved(call, shift) for call in program.calls]
    return Program(
        tuple(calls),
        stays=any(one.stays for one in programs),
        repeats=any(one.repeats for one in programs),
        inside=is_inside(programs),
    )


def is_inside(programs: Iterable[Program]) -> bool:
    """Whether the handler itself makes the programs, which is so for all of a batch or for none."""
    return any(one.inside for one in programs)


def kind(argument: Argument) -> str:
    """Return what an argument refers to, without what may differ from try to try."""
    match argument:
        case Pid(whose):
            return whose
        case Fact(name):
            return name
        case Made(_):
            return "made"
        case Text(text):
            return text if "/" in text else "text"
        case Data(_, fields, _):
            return ",".join(("data", *(kind(field) for _, _, field in fields)))
    return ""


def way(call: Call) -> str:
    """Return a call's name with the kinds of its arguments: the same for like calls."""
    return f"{call.name}({' '.join(filter(None, map(kind, call.args)))})"


def ways(program: Program) -> tuple[str, ...]:
    """Return the ways of all calls in order."""
    where = "inside " if program.inside else ""
    return tuple(where + way(call) for call in program.calls)


def contains(made: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the ways of the pattern come among the ways that were made, in order."""
    left = iter(made)
    return all(one in left for one in pattern)
