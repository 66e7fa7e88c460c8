# SPDX-License-Identifier: GPL-2.0-only
"""The mapping of a kernel's image, from page tables made by hand."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from harness.vm.guest_ram import PAGE
from harness.witness.kernel_mapping import mapping, tables_below

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TABLE, LAST, SPLIT = 0x10000, 0x11000, 0x12000
TEXT, DATA = range(0x1000000, 0x1200000), range(0x1200000, 0x1203000)
FREED = DATA.stop
P, W, LARGE, NX = 1, 2, 1 << 7, 1 << 63
USED = 1 << 5 | 1 << 6


class Tables:
    """Text in one large page, data and freed memory in small ones."""

    def __init__(self) -> None:
        self.pages = {TABLE: [0] * 512, LAST: [0] * 512, SPLIT: [0] * 512}
        self.pages[TABLE][8] = TEXT.start | P | LARGE
        self.pages[TABLE][9] = LAST | P | W
        for number in range(16):
            self.pages[LAST][number] = DATA.start + number * PAGE | P | W | NX

    def read(self, address: int, size: int) -> bytes:
        assert size == PAGE
        return struct.pack("<512Q", *self.pages[address])

    def mapping(self) -> Mapping[int, tuple[int, bool, bool]]:
        return mapping(self.read, TABLE, [TEXT, DATA])


def split(tables: Tables) -> None:
    """The large page in small ones, which map the same."""
    tables.pages[TABLE][8] = SPLIT | P | W
    tables.pages[SPLIT] = [TEXT.start + n * PAGE | P for n in range(512)]


def use(tables: Tables) -> None:
    tables.pages[TABLE][8] |= USED
    tables.pages[LAST][1] |= USED


def unmap_freed(tables: Tables) -> None:
    tables.pages[LAST][(FREED - DATA.start) // PAGE] = 0


def make_text_writable(tables: Tables) -> None:
    tables.pages[TABLE][8] |= W


def make_one_page_of_text_writable(tables: Tables) -> None:
    split(tables)
    tables.pages[SPLIT][5] |= W


def make_data_executable(tables: Tables) -> None:
    tables.pages[LAST][1] &= ~NX


def move_text(tables: Tables) -> None:
    split(tables)
    tables.pages[SPLIT][5] = 0x5000000 | P


def map_text_twice(tables: Tables) -> None:
    tables.pages[LAST][100] = TEXT.start | P | W


def test_each_page_has_its_place_and_permissions() -> None:
    found = Tables().mapping()
    assert len(found) == 512 + 3
    assert found[8 * 512 + 1] == (TEXT.start + PAGE, False, True)
    assert found[9 * 512 + 2] == (DATA.start + 2 * PAGE, True, False)
    assert list(tables_below(Tables().read(TABLE, PAGE))) == [LAST]


@pytest.mark.parametrize("change", [split, use, unmap_freed])
def test_what_the_kernel_does_itself_maps_the_same(change: Callable[[Tables], None]) -> None:
    tables = Tables()
    change(tables)
    assert tables.mapping() == Tables().mapping()


@pytest.mark.parametrize(
    "change",
    [
        make_text_writable,
        make_one_page_of_text_writable,
        make_data_executable,
        move_text,
        map_text_twice,
    ],
)
def test_other_memory_or_permissions_differ(change: Callable[[Tables], None]) -> None:
    tables = Tables()
    change(tables)
    assert tables.mapping() != Tables().mapping()
