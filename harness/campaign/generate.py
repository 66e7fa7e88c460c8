# SPDX-License-Identifier: GPL-2.0-only
"""New programs, from the types of the kernel's system calls and the files that root can write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.attacker.agent.syscalls import NUMBERS as CALL_NUMBERS
from harness.campaign.files import Files
from harness.campaign.program import (
    CALLS_MAX,
    FACTS,
    PLACE,
    Argument,
    Call,
    Data,
    Made,
    Number,
    Pid,
    Program,
    Room,
    Text,
)
from harness.campaign.resources import (
    NUMBERS,
    PIDS,
    SIZES,
    is_made,
    sort,
    weight,
)
from harness.campaign.structures import COMPOSED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from harness.campaign.call_types import CallType

_AT_FDCWD = -100
_O_RDONLY, _O_WRONLY, _O_RDWR, _O_CREAT, _O_NONBLOCK, _O_PATH = 0, 1, 2, 0x40, 0x800, 0x200000
_SIGNALS = 64
_STAYS = 0.2
_REPEATS = 0.5
"""Of the programs that stay."""
_COMPOSED = 0.9
_WORD = 4


class Generator:
    """Makes programs and their parts. `addresses` are those of the handler's variables."""

    def __init__(
        self, types: Sequence[CallType], addresses: Sequence[int] = (), files: Files | None = None
    ) -> None:
        """Keep the calls that the harness knows and that programs may make."""
        known = [one for one in types if one.name in CALL_NUMBERS and is_made(one)]
        self._types = known
        self._weights = [weight(one) for one in known]
        self._addresses = (0, *addresses)
        self._files = files or Files()

    def program(self, random: Random) -> Program:
        """Return a new program of one to four calls, and what these need."""
        calls: list[Call] = []
        for _ in range(random.choice((1, 1, 2, 2, 3, 4))):
            if len(calls) < CALLS_MAX - 2:
                self.add(random, calls)
        stays = random.random() < _STAYS
        return Program(tuple(calls[:CALLS_MAX]), stays, stays and random.random() < _REPEATS)

    def add(self, random: Random, calls: list[Call]) -> None:
        """Add a call, and before it the calls that make what it takes."""
        (chosen,) = random.choices(self._types, self._weights)
        if chosen.name in COMPOSED and random.random() < _COMPOSED:
            calls += COMPOSED[chosen.name](random, self._addresses, len(calls))
            return
        if chosen.name == "write" and random.random() < _COMPOSED:
            calls += self._written(random, len(calls))
            return
        args: list[Argument] = []
        for parameter in chosen.parameters:
            args.append(self._argument(random, sort(parameter), parameter.type, calls, args))
        calls.append(Call(chosen.name, tuple(args)))

    def other(self, random: Random, call: Call, at: int) -> Argument:
        """Return another argument for the place `at` of a call."""
        for one in self._types:
            if one.name == call.name and at < len(one.parameters):
                parameter = one.parameters[at]
                return self._argument(random, sort(parameter), parameter.type, None, call.args[:at])
        return Number(random.choice(NUMBERS))

    def _argument(
        self,
        random: Random,
        sort_of: str,
        type_of: str,
        calls: list[Call] | None,
        before: Sequence[Argument],
    ) -> Argument:
        """Return an argument. With `calls`, it may add a call that makes it."""
        match sort_of:
            case "pid":
                return Pid(random.choice(PIDS))
            case "fd" | "pidfd":
                return self._descriptor(random, sort_of, calls)
            case "signal":
                return Number(random.randint(0, _SIGNALS))
            case "path":
                return Text(self._files.path(random))
            case "text":
                return self._text(random)
            case "iovec":
                return self._iovec(random)
            case "memory":
                return self._memory(random, type_of)
            case "size":
                return Number(_size(random, before))
        if random.random() < 0.1:
            return Pid(random.choice(PIDS))
        if random.random() < 0.1:
            return Number(random.choice(self._addresses))
        return Number(random.choice(NUMBERS))

    def _descriptor(self, random: Random, sort_of: str, calls: list[Call] | None) -> Argument:
        if calls is None or random.random() < 0.1:
            return Number(random.choice((_AT_FDCWD, -1, 0, 1, 3, 4)))
        made = [at for at, call in enumerate(calls) if _makes(call) == sort_of]
        if made and random.random() < 0.5:
            return Made(random.choice(made))
        if sort_of == "pidfd":
            calls.append(Call("pidfd_open", (Pid(random.choice(PIDS)), Number(0))))
        else:
            flags = random.choice((_O_RDONLY, _O_WRONLY, _O_RDWR, _O_RDWR | _O_CREAT, _O_PATH))
            path = Text(self._files.path(random))
            calls.append(Call("openat", (Number(_AT_FDCWD), path, Number(flags), Number(0o600))))
        return Made(len(calls) - 1)

    def _text(self, random: Random) -> Text:
        path = self._files.path(random)
        return Text(self._files.content(random, path) if random.random() < 0.7 else path)

    def _written(self, random: Random, at: int) -> list[Call]:
        """Return the calls that open a file and write to it. `at` is the place of the first."""
        path = self._files.path(random)
        content = self._files.content(random, path)
        flags = Number(random.choice((_O_WRONLY, _O_WRONLY, _O_RDWR)) | _O_NONBLOCK)
        opened = Call("openat", (Number(_AT_FDCWD), Text(path), flags, Number(0)))
        size = Number(_size_of(Text(content)))
        return [opened, Call("write", (Made(at), Text(content), size))]

    def _iovec(self, random: Random) -> Data:
        """Return one struct iovec: memory of the program's own, or an address of the handler's."""
        if random.random() < 0.5:
            base: Number | Room = Number(random.choice(self._addresses))
        else:
            base = Room(64)
        size = Number(random.choice((8, 32, 64)))
        return Data(bytes(16), ((0, 8, base), (8, 8, size)))

    def _memory(self, random: Random, type_of: str) -> Argument:
        if random.random() < 0.1:
            return Number(0)
        if type_of in ("char *", "void *") and random.random() < 0.5:
            return Room(random.choice(SIZES[4:]))
        if type_of in ("const void *", "void *", "char *") and random.random() < 0.7:
            return self._text(random)
        return self._structure(random)

    def _structure(self, random: Random) -> Data:
        """Return words of which some are small numbers or pids."""
        size = random.choice((8, 16, 32, 64, 128))
        content, fields = bytearray(size), []
        for _ in range(random.randint(0, 3)):
            at = random.randrange(0, size, _WORD)
            if random.random() < 0.4:
                fields.append((at, _WORD, Pid(random.choice(PIDS))))
            else:
                number = random.choice(NUMBERS) & 0xFFFFFFFF
                content[at : at + _WORD] = number.to_bytes(_WORD, "little")
        return Data(bytes(content), tuple(fields))


def _makes(call: Call) -> str:
    return {"openat": "fd", "pidfd_open": "pidfd"}.get(call.name, "")


def _size_of(text: Text) -> int:
    """Return how many bytes of a text to write.

    Soon after a boot, a pid has up to three. An address may be shorter than said: then zeros end
    it, as the kernel's parsers of numbers allow.
    """
    if not (named := PLACE.findall(text.text)):
        return len(text.text)
    return 16 if set(named) & set(FACTS) else 3


def _size(random: Random, before: Sequence[Argument]) -> int:
    """Return the size of the argument before, or any."""
    if before and random.random() < 0.8:
        match before[-1]:
            case Room(size):
                return size
            case Data(content, _, _):
                return len(content)
            case Text() as text:
                return _size_of(text)
    return random.choice(SIZES)
