# SPDX-License-Identifier: GPL-2.0-only
"""The headers of /proc/kcore, which a guest may have forged."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.attacker.tools.kcore import Segment, segments
from harness.host.errors import VmLost

DIRECT = 0xFFFF888000000000
NOWHERE = (1 << 64) - 1


def core(*headers: tuple[int, int, int, int]) -> bytes:
    """An ELF core with a note and such segments: virtual, physical, size, offset."""
    ident = b"\x7fELF\2\1\1" + bytes(9)
    count = len(headers) + 1
    elf = ident + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, count, 0, 0, 0)
    note = struct.pack("<IIQQQQQQ", 4, 0, 0, 0, 0, 0, 0, 0)
    loads = (
        struct.pack("<IIQQQQQQ", 1, 7, offset, virtual, physical, size, size, 4096)
        for virtual, physical, size, offset in headers
    )
    return (elf + note + b"".join(loads)).ljust(4096, b"\0")


def test_segments_are_what_the_headers_say() -> None:
    data = core((DIRECT, 0, 0x8000, 0x2000), (0xFFFFC90000000000, NOWHERE, 0x100, 0xA000))
    assert segments(data) == (
        Segment(DIRECT, 0, 0x8000, 0x2000),
        Segment(0xFFFFC90000000000, -1, 0x100, 0xA000),
    )


def test_what_is_no_core_is_refused() -> None:
    with pytest.raises(VmLost, match="not an ELF file"):
        segments(b"root:x:0:0")


@given(st.binary(max_size=64), st.integers(0, 120))
def test_a_forged_core_is_read_or_refused(noise: bytes, at: int) -> None:
    data = bytearray(core((DIRECT, 0, 0x8000, 0x2000)))
    data[at : at + len(noise)] = noise
    try:
        segments(bytes(data))
    except VmLost:
        return
