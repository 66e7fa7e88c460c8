# SPDX-License-Identifier: GPL-2.0-only
"""Files that an invented vendor has signed, for handlers that parse. Each guest has them."""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.kernel.build.signing import SigningKey

CERTIFICATE = "/etc/vendor.der"
PACKAGE = "/etc/vendor.package"

SUMMARY, DIGESTS, ALGORITHM = 1004, 1035, 5011
"""Tags of entries (rpmtag.h of rpm): a text, the digests of the files, their algorithm."""
INT32, STRING, STRING_ARRAY = 4, 6, 8
"""Types of entries."""
SHA256 = 8
"""The algorithm's number (RFC 4880)."""
_MAGIC = bytes.fromhex("8eade80100000000")


def header(*entries: tuple[int, int, int, bytes]) -> bytes:
    """Return the header of an RPM package with these entries: tag, type, count, content."""
    index, store = b"", b""
    for tag, kind, count, content in entries:
        index += struct.pack(">IIII", tag, kind, len(store), count)
        store += content
    return _MAGIC + struct.pack(">II", len(entries), len(store)) + index + store


def package(key: SigningKey) -> bytes:
    """Return the signed header of a package, as the witness takes it.

    The package has one file. Its summary ends with the digest of the file that it replaces.
    """
    old, new = (sha256(text).hexdigest() for text in (b"with a bug", b"without the bug"))
    made = header(
        (ALGORITHM, INT32, 1, struct.pack(">I", SHA256)),
        (SUMMARY, STRING, 1, f"A program. It replaces {old}\0".encode()),
        (DIGESTS, STRING_ARRAY, 1, f"{new}\0".encode()),
    )
    return signed(key, made)


def signed(key: SigningKey, made: bytes) -> bytes:
    """Return a header with its length before it, and a message that signs it behind it."""
    return struct.pack("<I", len(made)) + made + key.message(made)


def vendor_files(key: SigningKey) -> Mapping[str, bytes]:
    """Return the files by their paths in a guest: the same for the same key."""
    return {CERTIFICATE: key.issue(), PACKAGE: package(key)}
