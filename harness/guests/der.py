# SPDX-License-Identifier: GPL-2.0-only
"""DER (X.690): written, read and changed. A path has a place for each level, from the top."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

INTEGER, OCTETS, NULL, OID, SEQUENCE, SET, CONTEXT = 0x02, 0x04, 0x05, 0x06, 0x30, 0x31, 0xA0
"""Tags of DER (X.690). CONTEXT is the constructed tag [0]."""


def der(tag: int, *parts: bytes) -> bytes:
    """Return the parts in order, with a tag and their length before them."""
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def parts(data: bytes) -> list[tuple[int, bytes]]:
    """Return the tags and bodies of what comes one after the other in DER."""
    found = []
    while data:
        start, length = 2, data[1]
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[2:start], "big")
        found.append((data[0], data[start : start + length]))
        data = data[start + length :]
    return found


def inside(data: bytes, path: Sequence[int]) -> bytes:
    """Return the body at the end of a path."""
    for place in path:
        data = parts(data)[place][1]
    return data


def replaced(data: bytes, path: Sequence[int], new: bytes) -> bytes:
    """Return DER with another body at the end of a path."""
    if not path:
        return new
    found = parts(data)
    tag, body = found[path[0]]
    found[path[0]] = tag, replaced(body, path[1:], new)
    return b"".join(der(*part) for part in found)
