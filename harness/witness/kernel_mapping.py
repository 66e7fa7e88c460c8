# SPDX-License-Identifier: GPL-2.0-only
"""How a page table maps the kernel's image: to which memory, writable or not, executable or not."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from harness.vm.guest_ram import PAGE
from harness.vm.paging import ADDRESS, LARGE, PRESENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Mapped = tuple[int, bool, bool]

WRITABLE, NO_EXECUTE = 1 << 1, 1 << 63
_ENTRIES = 512
_LARGE_PAGE = _ENTRIES * PAGE


def mapping(
    read: Callable[[int, int], bytes], table: int, kept: Sequence[range]
) -> Mapping[int, Mapped]:
    """Return how the pages in `kept`, physical addresses, are mapped, by virtual page number.

    For each page: its physical address, whether it is writable, and whether it is executable.
    `table` is the physical address of a page table of large pages (level2_kernel_pgt).
    """
    found = {}
    for number, entry in _present(read(table, PAGE)):
        for place, mapped in _pages(read, entry):
            if any(mapped[0] in pages for pages in kept):
                found[number * _ENTRIES + place] = mapped
    return found


def tables_below(page: bytes) -> Iterator[int]:
    """Yield the physical addresses of the last-level tables of a page table of large pages."""
    for _, entry in _present(page):
        if not entry & LARGE:
            yield entry & ADDRESS


def _pages(read: Callable[[int, int], bytes], above: int) -> Iterator[tuple[int, Mapped]]:
    """Yield the pages of an entry of such a table, with their numbers in it."""
    if above & LARGE:
        start = above & ADDRESS & ~(_LARGE_PAGE - 1)
        for number in range(_ENTRIES):
            yield number, _mapped(start + number * PAGE, above, above)
        return
    for number, entry in _present(read(above & ADDRESS, PAGE)):
        yield number, _mapped(entry & ADDRESS, above, entry)


def _mapped(address: int, above: int, entry: int) -> Mapped:
    return address, bool(above & entry & WRITABLE), not (above | entry) & NO_EXECUTE


def _present(page: bytes) -> Iterator[tuple[int, int]]:
    for number, (entry,) in enumerate(struct.iter_unpack("<Q", page)):
        if entry & PRESENT:
            yield number, entry
