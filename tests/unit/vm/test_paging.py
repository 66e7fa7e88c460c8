# SPDX-License-Identifier: GPL-2.0-only
"""The page-table walk, over page tables made by hand."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.host.errors import VmLost
from harness.vm.paging import walk

PRESENT, LARGE, NX = 1, 1 << 7, 1 << 63
ROOT = 0x1000
LEVELS = {4 << 10: (39, 30, 21, 12), 2 << 20: (39, 30, 21), 1 << 30: (39, 30)}


class Tables:
    """Page tables in a dictionary; ROOT is the address of the top-level table."""

    def __init__(self) -> None:
        self.memory: dict[int, int] = {}
        self._next = ROOT + 0x1000

    def map(self, virtual: int, physical: int, *, page: int, flags: int = PRESENT) -> None:
        table, shifts = ROOT, LEVELS[page]
        for shift in shifts[:-1]:
            slot = table + (virtual >> shift) % 512 * 8
            if slot not in self.memory:
                self.memory[slot] = self._next | PRESENT | NX
                self._next += 0x1000
            table = self.memory[slot] & 0x000F_FFFF_FFFF_F000
        large = LARGE if page > 4 << 10 else 0
        self.memory[table + (virtual >> shifts[-1]) % 512 * 8] = physical | flags | large

    def read(self, address: int, size: int) -> bytes:
        assert size == 8
        return struct.pack("<Q", self.memory.get(address, 0))


@pytest.mark.parametrize("page", LEVELS)
@pytest.mark.parametrize(
    "virtual", [0x0000_0000_0040_1234, 0x0000_7FFF_FFFF_EFF8, 0xFFFF_8880_0123_4567]
)
def test_pages_of_every_size(page: int, virtual: int) -> None:
    tables = Tables()
    tables.map(virtual, 3 << 30, page=page, flags=PRESENT | NX | 0x66)
    assert walk(tables.read, ROOT, virtual) == (3 << 30) + virtual % page


@given(st.integers(0, (1 << 48) - 1), st.integers(0, (1 << 34) - 1))
def test_a_4_kib_page_anywhere(virtual: int, frame: int) -> None:
    tables = Tables()
    tables.map(virtual, frame << 12, page=4 << 10)
    assert walk(tables.read, ROOT, virtual) == (frame << 12) + virtual % 4096


@pytest.mark.parametrize("page", LEVELS)
def test_what_is_not_present_is_not_mapped(page: int) -> None:
    tables = Tables()
    tables.map(0x40_0000, 0x5000_0000, page=page, flags=0)
    with pytest.raises(VmLost, match="maps nothing at 0x400000"):
        walk(tables.read, ROOT, 0x40_0000)


def test_the_large_bit_means_nothing_in_a_4_kib_page() -> None:
    """In an entry of the last level, the bit of LARGE is PAT."""
    tables = Tables()
    tables.map(0x40_1000, 0x5000, page=4 << 10, flags=PRESENT | LARGE)
    assert walk(tables.read, ROOT, 0x40_1008) == 0x5008
