# SPDX-License-Identifier: GPL-2.0-only
"""Walks x86-64 page tables from outside the guest.

There are four levels: the machine's CPU has no fifth one (spec.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.host.errors import VmLost

if TYPE_CHECKING:
    from collections.abc import Callable

PRESENT = 1 << 0
ACCESSED = 1 << 5
LARGE = 1 << 7
ADDRESS = (1 << 52) - (1 << 12)
SHIFTS = (39, 30, 21, 12)


def leaf(read: Callable[[int, int], bytes], table: int, virtual: int) -> tuple[int, int]:
    """Return the page table entry that maps `virtual`, and its shift (12, 21 or 30).

    `table` is the physical address of the top-level table; `read` takes a physical address and a
    size in bytes. Raises VmLost if `virtual` is not mapped.
    """
    for shift in SHIFTS:
        entry = int.from_bytes(read(table + (virtual >> shift) % 512 * 8, 8), "little")
        if not entry & PRESENT:
            raise VmLost(f"the guest maps nothing at {virtual:#x}")
        table = entry & ADDRESS
        if shift == SHIFTS[-1] or (shift in SHIFTS[1:3] and entry & LARGE):
            return entry, shift
    raise AssertionError("the last level always returns")


def walk(read: Callable[[int, int], bytes], table: int, virtual: int) -> int:
    """Return the physical address of `virtual`. Parameters and errors are those of `leaf`."""
    entry, shift = leaf(read, table, virtual)
    offset = (1 << shift) - 1
    return entry & ADDRESS & ~offset | virtual & offset
