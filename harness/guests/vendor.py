# SPDX-License-Identifier: GPL-2.0-only
"""What a vendor that does not exist has signed, for handlers that parse: each guest has it."""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.kernel.build.signing import SigningKey

SUMMARY, DIGESTS, ALGORITHM = 1004, 1035, 5011
"""Tags of entries (rpmtag.h of rpm): a text, the digests of the files, their algorithm."""
INT32, STRING, STRING_ARRAY = 4, 6, 8
"""Types of entries."""
_SHA256 = 8
_MAGIC = bytes.fromhex("8eade80100000000")


def header(*entries: tuple[int, int, int, bytes]) -> bytes:
    """Return the header of an RPM package with these entries: tag, type, count, content."""
    index, store = b"", b""
    for tag, kind, count, content in entries:
        index += struct.pack(">IIII", tag, kind, len(store), count)
        store += content
    return _MAGIC + struct.pack(">II", len(entries), len(store)) + index + store


def package(key: SigningKey) -> bytes:
    """Return a package's header and a message that signs it, as the witness takes them.

    The package has one file. Its summary ends with the digest of the file that it replaces.
    """
    old, new = (sha256(text).hexdigest() for text in (b"with a bug", b"without the bug"))
    made = header(
        (ALGORITHM, INT32, 1, struct.pack(">I", _SHA256)),
        (SUMMARY, STRING, 1, f"A program. It replaces {old}\0".encode()),
        (DIGESTS, STRING_ARRAY, 1, f"{new}\0".encode()),
    )
    return struct.pack("<I", len(made)) + made + key.message(made)


def vendor_files(key: SigningKey) -> Mapping[str, bytes]:
    """Return the files by their paths in a guest."""
    return {"etc/vendor.der": key.issue(), "etc/vendor.package": package(key)}
