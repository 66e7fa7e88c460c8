# SPDX-License-Identifier: GPL-2.0-only
"""/proc/<pid>/pagemap: a process's pages (Documentation/admin-guide/mm/pagemap.rst)."""

from __future__ import annotations

import struct
from os import O_RDONLY
from typing import TYPE_CHECKING

from harness.attacker.agent.protocol import ARENA

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

PAGE = 4096
PAGE_IS_PRESENT = 1 << 3

FRAME_MASK = (1 << 55) - 1
SWAPPED = 1 << 62
SLOT_SHIFT, SLOT_MASK = 5, (1 << 50) - 1

_ENTRY = 8

_PAGEMAP_SCAN = 0xC0606610
# struct pm_scan_arg and struct page_region of include/uapi/linux/fs.h
_SCAN = struct.Struct("<12Q")
_REGION = struct.Struct("<3Q")


def page_entry(attacker: Attacker, pid: int, address: int) -> int:
    """Return the 64-bit pagemap entry of the page at `address`."""
    with attacker.open(f"/proc/{pid}/pagemap", O_RDONLY) as table:
        return int.from_bytes(table.pread(_ENTRY, address // PAGE * _ENTRY), "little")


def page_frame(attacker: Attacker, pid: int, address: int) -> int:
    """Return the page frame number at `address`; 0 if no page is present or the kernel hides it."""
    return page_entry(attacker, pid, address) & FRAME_MASK


def scan(attacker: Attacker, pid: int, start: int, end: int, categories: int) -> tuple[int, int]:
    """Call PAGEMAP_SCAN on [start, end).

    Return the first range whose pages have all `categories`, such as `PAGE_IS_PRESENT`, as its
    start and end; (0, 0) if there is none.
    """
    regions = ARENA + _SCAN.size  # directly behind the arguments: the call places nothing else
    asked = _SCAN.pack(_SCAN.size, 0, start, end, 0, regions, 1, 0, 0, categories, 0, categories)
    memory = bytearray(asked + bytes(_REGION.size))
    with attacker.open(f"/proc/{pid}/pagemap", O_RDONLY) as table:
        attacker.syscall("ioctl", table.fd, _PAGEMAP_SCAN, memory)
    first, last, _ = _REGION.unpack_from(memory, _SCAN.size)
    return first, last
