# SPDX-License-Identifier: GPL-2.0-only
"""Packages whose digests the kernel takes for genuine (overlay/kernel/umd_witness/digests.c)."""

from __future__ import annotations

import re
import struct
from os import O_WRONLY
from typing import TYPE_CHECKING

from harness.guests.vendor import DIGESTS, SHA256, STRING_ARRAY

if TYPE_CHECKING:
    from harness.attacker import Attacker

TARGET, _DIGEST = (f"/sys/kernel/security/umd_witness_{name}" for name in ("package", "digest"))
"""The files to which packages and digests are written."""
_LENGTH = struct.Struct("<I")
_REPLY = struct.Struct("<i4I2I")
"""struct umd_rpm with one file (overlay/tools/umd/rpm.h)."""
_DIGITS = 64
_DIGESTS = struct.pack(">2I", DIGESTS, STRING_ARRAY)
"""How the entry of the files' digests begins (rpmtag.h of rpm). Their offset follows."""
_OFFSET = struct.Struct(">I")


def add_package(attacker: Attacker, package: bytes) -> None:
    """Give the kernel a package's header with its signature."""
    with attacker.open(TARGET, O_WRONLY) as file:
        file.write(package)


def ask_digest(attacker: Attacker, digest: bytes) -> None:
    """Ask the kernel for a digest, by its digits. Raises GuestError (ENOENT) if it is not known."""
    with attacker.open(_DIGEST, O_WRONLY) as file:
        file.write(digest)


def header_of(package: bytes) -> bytes:
    """Return the header that is signed."""
    (length,) = _LENGTH.unpack_from(package)
    return package[_LENGTH.size :][:length]


def digests_in(header: bytes) -> list[bytes]:
    """Return each text of a header that could be a digest of SHA-256."""
    return re.findall(rb"[0-9a-f]{%d}" % _DIGITS, header)


def renamed(header: bytes, digest: bytes) -> bytes:
    """Return the header of a package with one file, changed so that this is the file's digest.

    The digest is in the header already. Only the place where the digests begin is changed.
    """
    at = header.index(_DIGESTS) + len(_DIGESTS)
    (begin,) = _OFFSET.unpack_from(header, at)
    *_, own = digests_in(header)
    moved = _OFFSET.pack(begin + header.index(digest) - header.index(own))
    return header[:at] + moved + header[at + _OFFSET.size :]


def forged_reply(header: bytes, digest: bytes) -> bytes:
    """Return a reply about a header: this digest is that of the only file."""
    return _REPLY.pack(0, SHA256, _DIGITS, 1, 1, 0, header.index(digest))
