# SPDX-License-Identifier: GPL-2.0-only
"""The agent's wire format: each request is answered by one reply (guest-images/agent/agent.c)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

ARENA = 0x1000_0000
"""Address of the agent's arena, memory in which the host lays out the buffers of a call."""
ARENA_SIZE = 1 << 20
SPANS_MAX = 64

CALL_FORK = 1 << 32
CALL_SPAWN = CALL_FORK + 1

_ERRNO_MAX = 4095
_BY_RESULT = 1
_REQUEST = struct.Struct("<IIQ6QII")
_SPAN = struct.Struct("<QII")
REPLY = struct.Struct("<IIq")
_LENGTH_SIZE = 4
_WORD = (1 << 64) - 1


@dataclass(frozen=True)
class Span:
    """A range of the arena that the reply returns."""

    address: int
    """Its address in the agent."""
    size: int
    """Its length in bytes."""
    by_result: bool
    """Whether the reply returns only as many bytes as the call's result says."""

    def returned(self, result: int) -> int:
        """Return how many bytes of the span a reply with this result must have."""
        return min(self.size, max(result, 0)) if self.by_result else self.size


class Memory:
    """The buffers of one call: bytes written before the call, and ranges read after it.

    All methods raise ValueError if the buffers exceed the arena (1 MiB) or the number of spans.
    """

    def __init__(self) -> None:
        self.writes: list[tuple[int, bytes]] = []
        """Address and content of each buffer written before the call."""
        self.reads: list[Span] = []
        """The ranges returned after the call."""
        self._next = ARENA

    def place(self, data: bytes) -> int:
        """Write `data` into the arena before the call; return its address."""
        address = self._take(len(data))
        self.writes.append((address, data))
        return address

    def room(self, size: int, *, by_result: bool = False) -> int:
        """Reserve `size` bytes that are returned after the call; return their address."""
        address = self._take(size)
        self.reads.append(Span(address, size, by_result))
        return address

    def exchange(self, data: bytes) -> int:
        """Write `data` before the call, and return it after the call; return its address."""
        address = self.place(data)
        self.reads.append(Span(address, len(data), by_result=False))
        return address

    def _take(self, size: int) -> int:
        address = self._next
        self._next += (size + 15) & ~15
        if self._next > ARENA + ARENA_SIZE or len(self.writes) + len(self.reads) >= SPANS_MAX - 1:
            raise ValueError(f"a call's buffers exceed the agent's arena of {ARENA_SIZE} bytes")
        return address


def request(ident: int, number: int, args: tuple[int, ...], memory: Memory) -> bytes:
    """Return the request for one call. Raises ValueError for more than six arguments."""
    if len(args) > 6:
        raise ValueError("a system call has at most six arguments")
    words = [arg & _WORD for arg in args] + [0] * (6 - len(args))
    spans = [_SPAN.pack(address, len(data), 0) for address, data in memory.writes]
    spans += [_SPAN.pack(read.address, read.size, int(read.by_result)) for read in memory.reads]
    body = b"".join([*spans, *(data for _, data in memory.writes)])
    length = _REQUEST.size - _LENGTH_SIZE + len(body)
    counts = len(memory.writes), len(memory.reads)
    return _REQUEST.pack(length, ident, number & _WORD, *words, *counts) + body


def body_size(length: int) -> int:
    """Return how many bytes follow the fixed part of a reply with this length field."""
    return length - (REPLY.size - _LENGTH_SIZE)


def failed(result: int) -> bool:
    """Return whether a call's result is a negated errno (-4095 to -1)."""
    return -_ERRNO_MAX <= result < 0
