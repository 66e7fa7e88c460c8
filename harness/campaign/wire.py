# SPDX-License-Identifier: GPL-2.0-only
"""The executor's batch and its output (executor.c has the same layout)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from harness.attacker.agent.syscalls import NUMBERS
from harness.campaign.program import (
    CALLS_MAX,
    NAMES,
    PLACE,
    Argument,
    Data,
    Fact,
    Made,
    Number,
    Pid,
    Program,
    Room,
    Text,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

LIMIT_MS = 100
"""How long a program may take in the guest, in milliseconds of the guest's time."""

_BATCH = struct.Struct("<IIII")
_PROGRAM = struct.Struct("<II")
_CALL = struct.Struct("<II")
_ARGUMENT = struct.Struct("<IIq")
_FIELD = struct.Struct("<II")
_OUTCOME = struct.Struct(f"<II{CALLS_MAX}q")
_COUNT, _NEW_PC = struct.Struct("<Q"), struct.Struct("<II")
_NUMBER, _NAMED, _MADE, _TEXT, _ROOM, _DATA = range(6)
_FIRST_NAME = 14
"""In a string, this byte and those that follow stand for `NAMES`. No text has such a byte."""


class Results(NamedTuple):
    """What the executor printed. It is the guest's claim."""

    calls: list[list[int]]
    """The results of each program's calls. A call that has not returned has none."""
    pcs: list[set[int]]
    """The addresses of kernel code (lower 32 bits) that each program was the first to cover."""
    written: bytes
    """The memory that the kernel may have written, of all programs."""


def batch_bytes(
    programs: Sequence[Program], *, limit_ms: int = LIMIT_MS, known_pcs: Collection[int] = ()
) -> bytes:
    """Return the bytes of the batch, in the executor's format.

    The executor does not report the `known_pcs` (lower 32 bits of addresses) again.
    """
    pcs = b"".join(pc.to_bytes(4, "little") for pc in sorted(known_pcs))
    head = _BATCH.pack(len(programs), limit_ms, len(known_pcs), 0)
    return head + _padded(pcs) + b"".join(map(_program, programs))


def _program(program: Program) -> bytes:
    calls = []
    for call in program.calls:
        calls.append(_CALL.pack(NUMBERS[call.name], len(call.args)))
        calls += map(_argument, call.args)
    return _PROGRAM.pack(len(program.calls), program.stays | program.repeats << 1) + b"".join(calls)


def _argument(argument: Argument) -> bytes:
    match argument:
        case Number(value):
            return _ARGUMENT.pack(_NUMBER, 0, signed(value))
        case Pid(name) | Fact(name):
            return _ARGUMENT.pack(_NAMED, 0, NAMES.index(name))
        case Made(call):
            return _ARGUMENT.pack(_MADE, 0, call)
        case Room(size):
            return _ARGUMENT.pack(_ROOM, size, 0)
        case Text(text):
            body = encoded(text)
            return _ARGUMENT.pack(_TEXT, len(body), 0) + _padded(body)
        case Data(content, fields, size):
            filled = b"".join(_FIELD.pack(at, width) + _argument(one) for at, width, one in fields)
            counts = len(fields) | size << 32
            return _ARGUMENT.pack(_DATA, len(content), counts) + _padded(content) + filled


def encoded(text: str) -> bytes:
    """Return a text's bytes, in the executor's format."""
    return PLACE.sub(lambda at: chr(_FIRST_NAME + NAMES.index(at[1])), text).encode()


def signed(value: int) -> int:
    """Return a number of 64 bits as the signed number with the same bits."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def results(output: bytes, programs: Sequence[Program]) -> Results:
    """Return what the executor printed. Output that is cut, or of another form, gives what it has.

    The address of a program that is not in the batch is left out.
    """
    found: list[list[int]] = []
    for at, program in enumerate(programs):
        part = output[at * _OUTCOME.size : (at + 1) * _OUTCOME.size]
        if len(part) < _OUTCOME.size:
            found.append([])
            continue
        begun, ended, *values = _OUTCOME.unpack(part)
        done = begun if ended else max(0, begun - 1)
        found.append(values[: min(done, len(program.calls))])
    rest = output[len(programs) * _OUTCOME.size :]
    pcs: list[set[int]] = [set() for _ in programs]
    if len(rest) < _COUNT.size:
        return Results(found, pcs, b"")
    (count,) = _COUNT.unpack_from(rest)
    end = min(_COUNT.size + count * _NEW_PC.size, len(rest))
    whole = rest[_COUNT.size : end - (end - _COUNT.size) % _NEW_PC.size]
    for number, pc in _NEW_PC.iter_unpack(whole):
        if number < len(programs):
            pcs[number].add(pc)
    return Results(found, pcs, rest[end:])
