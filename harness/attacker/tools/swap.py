# SPDX-License-Identifier: GPL-2.0-only
"""Where the kernel swaps to: a device that root rewrites from below, or a file that root reads."""

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

# union swap_header of include/linux/swap.h, from behind the boot block: version and last page
_HEADER_AT, _HEADER = 1024, struct.Struct("<II")
_MAGIC = b"SWAPSPACE2"

_SLOT = 8
"""The bytes of a slot's number, as find_page.c tells it."""

_STEPS = 32
"""In how many all of the device could be written to, so as not to have all of memory go at once.
When to give up: what can be pushed out has gone after 7. Not a time, which a busy host takes."""


class StaysInMemory(Exception):
    """A page that is not swapped out, however much memory is reclaimed."""


class SwapDevice:
    """A loop device over a file in a ramfs, where the kernel swaps to.

    (A write to the device itself is ETXTBSY while it is in use; one to the file is not. In a
    tmpfs the file would be swapped out to itself.) A page on the device is read again only once
    memory holds no copy of it, in the swap cache: what is pushed out here is gone from there too.
    """

    def __init__(self, attacker: Attacker, *, pages: int) -> None:
        """Make it and switch it on, as set-up."""
        self._attacker = attacker
        self._step = pages * PAGE // _STEPS
        with attacker.setup():
            attacker.mkdir(_FOLDER)
            attacker.mount("none", _FOLDER, "ramfs")
            self._file = attacker.open(_FILE, O_RDWR | O_CREAT, 0o600)
            attacker.syscall("ftruncate", self._file.fd, pages * PAGE)
            _format(self._file, pages)
            attacker.syscall("swapon", self._loop_device(), 0)
            attacker.write_file("/proc/sys/vm/swappiness", b"200")  # and files' pages stay

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

        Its slot. Raises StaysInMemory.
        """
        frame = page_frame(self._attacker, pid, address)
        drain_batches(self._attacker)
        page_out()

        def slot() -> int | None:
            entry = page_entry(self._attacker, pid, address)
            # The frame may still hold a copy of a page that was written out.
            is_out = entry & SWAPPED and not frame_flags(self._attacker, frame) & KPF_SWAPCACHE
            return entry >> SLOT_SHIFT & SLOT_MASK if is_out else None

        return self._reclaim_until(slot)

    def finder(self, place: int, wanted: bytes) -> Callable[[], int]:
        """Start what finds the first page with that in that place: its slot, -1 for none."""
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
                raise ChildProcessError("what looks for the page has ended")
            return int.from_bytes(found, "little", signed=True)

        return find

    def push_out(self, find: Callable[[], int]) -> int:
        """Have memory written out until what is found is on the device and nowhere else.

        Where others of its kind are in use, that cannot be told: then for all steps there are.
        Its slot. Raises StaysInMemory.
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
        raise StaysInMemory("the page was never swapped out, or stayed in memory as well")

    def rewrite(self, slot: int, offset: int, data: bytes) -> None:
        """Change a page that was pushed out."""
        self._file.pwrite(data, slot * PAGE + offset)


class SwapFile:
    """A file on the guest's disk, where the kernel swaps to. It cannot be written to, but read."""

    path = "/var/tmp/swap"  # noqa: S108 - the guest's, not ours

    def __init__(self, attacker: Attacker, *, pages: int) -> None:
        """Make it and switch it on, as set-up."""
        self._attacker = attacker
        with attacker.setup():
            zeros = File(attacker, attacker.syscall("memfd_create", "zeros", 0))
            with zeros, attacker.open(self.path, O_RDWR | O_CREAT, 0o600) as file:
                attacker.syscall("ftruncate", zeros.fd, pages * PAGE)
                # Written, or the file system shows zeros there whatever the kernel swaps out.
                attacker.syscall("sendfile", file.fd, zeros.fd, 0, pages * PAGE)
                _format(file, pages)
            attacker.syscall("swapon", self.path, 0)

    def secret(self, *places: int) -> bytes:
        """Lock memory for a while, and look for a handler's state in the file: its secret.

        If there is none, b"-" where memory ran short, else nothing. The places are where in its
        page it has its request, its reply, its state and its secret.
        """
        attacker = self._attacker
        payload, words = attacker.payload("read_swap"), (self.path, *map(str, places))
        reader, writer = attacker.pipe()
        with reader:
            with writer:
                attacker.run(payload, *words, stdout=writer.fd)
            return reader.read(SECRET_SIZE)


def swappable(attacker: Attacker) -> int:
    """How many pages the kernel could swap out, at least 2048: others run as well.

    No more than that: the kernel keeps pages in the swap cache until half of the swap is used.
    """
    with attacker.setup():
        info = attacker.read_file("/proc/meminfo").decode()
    kib = sum(map(int, re.findall(r"^(?:AnonPages|Shmem): +(\d+)", info, re.MULTILINE)))
    return max(2048, kib * 1024 // PAGE)


def reclaim(attacker: Attacker, size: int) -> None:
    """Have the kernel reclaim so many bytes of memory; less will do."""
    drain_batches(attacker)
    try:
        attacker.write_file("/sys/fs/cgroup/memory.reclaim", b"%d" % size)
    except GuestError as error:
        if error.errno != EAGAIN:
            raise


def drain_batches(attacker: Attacker) -> None:
    """Have pages leave the CPUs' batches for the LRU lists: reclaim sees no others."""
    attacker.write_file("/proc/sys/vm/drop_caches", b"1")


def _format(file: File, pages: int) -> None:
    """Make it swap space, as mkswap does."""
    file.pwrite(_HEADER.pack(1, pages - 1), _HEADER_AT)
    file.pwrite(_MAGIC, PAGE - len(_MAGIC))


def _cached(attacker: Attacker) -> bool:
    """Whether a page of a tmpfs, as a blob's are, was written out and is in memory as well.

    A count of the swap cache would not do: pages of processes stay in it as long as they like.
    """
    return any_frame(attacker, KPF_SWAPCACHE, of=KPF_SWAPCACHE | KPF_ANON)
