# SPDX-License-Identifier: GPL-2.0-only
"""A swap device whose pages root reads and rewrites from below, as a disk's owner can."""

from __future__ import annotations

import struct
import time
from errno import EAGAIN
from os import O_CREAT, O_RDONLY, O_RDWR
from typing import TYPE_CHECKING

from harness.attacker.errors import GuestError
from harness.attacker.files import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker.attacker import Attacker

PAGE = 4096

_FOLDER = "/tmp/swap"  # noqa: S108 - the guest's, not ours
_LOOP_SET_FD = 0x4C00  # include/uapi/linux/loop.h
_LOOP_CTL_GET_FREE = 0x4C82

# union swap_header of include/linux/swap.h, from behind the boot block: version and last page
_HEADER_AT, _HEADER = 1024, struct.Struct("<II")
_MAGIC = b"SWAPSPACE2"

# Documentation/admin-guide/mm/pagemap.rst, of pagemap and of kpageflags
_ENTRY = 8
_FRAME_MASK = (1 << 55) - 1
_SWAPPED = 1 << 62
_SLOT_SHIFT, _SLOT_MASK = 5, (1 << 50) - 1
_SWAP_CACHE = 1 << 13

_SECONDS = 5.0
_STEP = b"256K"


class SwapDevice:
    """A loop device over a file in a ramfs, where the kernel swaps to.

    (A write to the device itself is ETXTBSY while it is in use; one to the file is not. In a
    tmpfs the file would be swapped out to itself.) A page on the device is read again only once
    memory holds no copy of it, in the swap cache: what is pushed out here is gone from there too.
    """

    def __init__(self, attacker: Attacker, *, pages: int) -> None:
        """Make it and switch it on, as set-up."""
        self._attacker = attacker
        self._pages = pages
        with attacker.setup():
            attacker.mkdir(_FOLDER)
            attacker.mount("none", _FOLDER, "ramfs")
            self._file = attacker.open(f"{_FOLDER}/file", O_RDWR | O_CREAT, 0o600)
            attacker.syscall("ftruncate", self._file.fd, pages * PAGE)
            self._file.pwrite(_HEADER.pack(1, pages - 1), _HEADER_AT)
            self._file.pwrite(_MAGIC, PAGE - len(_MAGIC))
            attacker.syscall("swapon", self._loop_device(), 0)

    def _loop_device(self) -> str:
        attacker = self._attacker
        with attacker.open("/dev/loop-control", O_RDWR) as control:
            device = f"/dev/loop{attacker.syscall('ioctl', control.fd, _LOOP_CTL_GET_FREE, 0)}"
        # Bound to the file until the machine ends; the swap keeps it open from here on.
        with attacker.open(device, O_RDWR) as loop:
            attacker.syscall("ioctl", loop.fd, _LOOP_SET_FD, self._file.fd)
            return device

    def push_out_page(self, pid: int, address: int, page_out: Callable[[], None]) -> int:
        """Have `page_out` push a stopped process's page out, until it is on the device alone.

        Its slot. Raises TimeoutError after 5 s.
        """
        frame = self._pagemap(pid, address) & _FRAME_MASK
        drain_batches(self._attacker)
        page_out()
        deadline = time.monotonic() + _SECONDS
        while not (entry := self._pagemap(pid, address)) & _SWAPPED or self._holds(frame):
            if time.monotonic() > deadline:
                raise TimeoutError("the page was never swapped out, or stayed in memory as well")
            reclaim(self._attacker)
        return entry >> _SLOT_SHIFT & _SLOT_MASK

    def find(self, is_it: Callable[[bytes], bool]) -> int | None:
        """The slot of the first page that is it; None if no such page was written out."""
        for at in range(0, self._pages * PAGE, CHUNK):
            data = self._file.pread(CHUNK, at)
            for page in range(0, len(data), PAGE):
                if is_it(data[page : page + PAGE]):
                    return (at + page) // PAGE
        return None

    def push_out(self, is_it: Callable[[bytes], bool]) -> int:
        """Have memory written out until that page is on the device and nowhere else.

        Its slot. Raises TimeoutError after 5 s.
        """
        deadline = time.monotonic() + _SECONDS
        while (slot := self.find(is_it)) is None or _cached(self._attacker):
            if time.monotonic() > deadline:
                raise TimeoutError("the page was never swapped out, or stayed in memory as well")
            reclaim(self._attacker)
        return slot

    def rewrite(self, slot: int, offset: int, data: bytes) -> None:
        """Change a page that was pushed out."""
        self._file.pwrite(data, slot * PAGE + offset)

    def _pagemap(self, pid: int, address: int) -> int:
        return _entry(self._attacker, f"/proc/{pid}/pagemap", address // PAGE)

    def _holds(self, frame: int) -> bool:
        """Whether that page frame is still a copy of a page that was written out."""
        return bool(_entry(self._attacker, "/proc/kpageflags", frame) & _SWAP_CACHE)


def reclaim(attacker: Attacker) -> None:
    """Have the kernel reclaim memory; less will do."""
    drain_batches(attacker)
    try:
        attacker.write_file("/sys/fs/cgroup/memory.reclaim", _STEP)
    except GuestError as error:
        if error.errno != EAGAIN:
            raise


def drain_batches(attacker: Attacker) -> None:
    """Have pages leave the CPUs' batches for the LRU lists: reclaim sees no others."""
    attacker.write_file("/proc/sys/vm/drop_caches", b"1")


def _entry(attacker: Attacker, path: str, index: int) -> int:
    with attacker.open(path, O_RDONLY) as table:
        return int.from_bytes(table.pread(_ENTRY, index * _ENTRY), "little")


def _cached(attacker: Attacker) -> int:
    """KiB of swapped pages that are in memory too, by a count brought up to date first."""
    attacker.write_file("/proc/sys/vm/stat_refresh", b"1")
    for line in attacker.read_file("/proc/meminfo").splitlines():
        name, _, rest = line.partition(b":")
        if name == b"SwapCached":
            return int(rest.split()[0])
    raise ValueError("/proc/meminfo says nothing of SwapCached")
