# SPDX-License-Identifier: GPL-2.0-only
"""Walks x86-64 page tables from outside the guest.

Four levels: the machine has no fifth to offer (spec.py).
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
    """The entry that maps `virtual` under the top-level table at physical `table`, and its shift.

    `read` takes a physical address and a size in bytes. Raises VmLost where nothing is mapped.
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
    """The physical address of `virtual`; otherwise as `leaf`."""
    entry, shift = leaf(read, table, virtual)
    offset = (1 << shift) - 1
    return entry & ADDRESS & ~offset | virtual & offset
