# SPDX-License-Identifier: GPL-2.0-only
"""Guest memory as the host's kernel shows it, and its pages that changed since an earlier moment.

A restored machine maps the saved state's memory privately. /proc/<pid>/pagemap tells which pages
of the mapping QEMU has copied; all other pages are as saved. So only the copied pages are read:
reading all of a kernel's text by the gdbstub would take longer than a cell.
"""

from __future__ import annotations

import errno
import os
import struct
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.vm.untrusted_files import open_untrusted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.vm.monitor import Monitor

PAGE = 4096
COPY = "copy"
"""The file in QEMU's directory to which `pmemsave` writes."""

_PRESENT, _SWAPPED, _OF_FILE = 1 << 63, 1 << 62, 1 << 61
"""Bits of an entry of pagemap (Documentation/admin-guide/mm/pagemap.rst)."""


@dataclass(frozen=True)
class Mark:
    """A range of whole pages at one moment. `was` reads the bytes of that moment."""

    address: int
    size: int
    was: Callable[[int, int], bytes]


@dataclass(frozen=True)
class Change:
    """A page that differs from its mark, by guest-physical address."""

    address: int
    was: bytes
    now: bytes


class SharedRam:
    """The memory of a booted machine, a file in QEMU's directory that QEMU maps shared."""

    def __init__(self, ram: int) -> None:
        self._ram = ram

    def mark(self, address: int, size: int) -> Mark:
        """Return the mark of whole pages, as they are now."""
        data = self.read(address, size)
        return Mark(address, size, lambda at, n: data[at - address : at - address + n])

    def changes(self, mark: Mark) -> list[Change]:
        """Return the pages that differ from the mark. The machine must be paused."""
        return _changes(mark, _split(mark.address, self.read(mark.address, mark.size)))

    def read(self, address: int, size: int) -> bytes:
        """Read bytes of guest-physical memory, at any time. Raises OSError."""
        return _exactly(size, os.pread(self._ram, size, address))


class PrivateRam:
    """The memory of a restored machine: the saved state's, and the pages that QEMU has copied."""

    def __init__(self, ram: int, pid: int, directory: Path, monitor: Monitor) -> None:
        self._ram, self._pid = ram, pid
        self._directory, self._monitor = directory, monitor

    def mark(self, address: int, size: int) -> Mark:
        """Return the mark of whole pages, as they were saved."""
        return Mark(address, size, lambda at, n: os.pread(self._ram, n, at))

    def changes(self, mark: Mark) -> list[Change]:
        """Return the pages that differ from the mark. The machine must be paused.

        Raises VmLost if QEMU is gone.
        """
        try:
            return _changes(mark, self._copied(mark.address, mark.size))
        except OSError:  # the host forbids to look into QEMU, or has no such files
            return _changes(mark, _split(mark.address, self._saved_by_qemu(mark)))

    def _copied(self, address: int, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield the pages that QEMU has copied, and their bytes."""
        first = self._mapped_at + address
        with _opened(self._pid, "pagemap") as pagemap:
            entries = os.pread(pagemap, size // PAGE * 8, first // PAGE * 8)
            for number, (entry,) in enumerate(struct.iter_unpack("<Q", entries)):
                if entry & _SWAPPED or (entry & _PRESENT and not entry & _OF_FILE):
                    yield address + number * PAGE, self.read(address + number * PAGE, PAGE)

    def read(self, address: int, size: int) -> bytes:
        """Read bytes of guest-physical memory, at any time.

        Raises OSError if the host forbids to look into QEMU, or if QEMU has ended.
        """
        return _exactly(size, os.pread(self._memory, size, self._mapped_at + address))

    def close(self) -> None:
        """Close QEMU's memory."""
        if "_memory" in vars(self):
            os.close(self._memory)

    @cached_property
    def _memory(self) -> int:
        """QEMU's memory. QEMU's program must run by now, not the one that started it."""
        return os.open(f"/proc/{self._pid}/mem", os.O_RDONLY)

    @cached_property
    def _mapped_at(self) -> int:
        """Where QEMU has mapped the start of the saved memory."""
        inode = str(os.fstat(self._ram).st_ino)
        for line in Path(f"/proc/{self._pid}/maps").read_text().splitlines():
            span, _, offset, _, number, *_ = line.split()
            if number == inode and int(offset, 16) == 0:
                return int(span.partition("-")[0], 16)
        raise FileNotFoundError(self._ram)  # some file systems show another inode there

    def _saved_by_qemu(self, mark: Mark) -> bytes:
        path = self._directory / COPY
        path.unlink(missing_ok=True)
        self._monitor.execute("pmemsave", val=mark.address, size=mark.size, filename=COPY)
        with os.fdopen(open_untrusted(path), "rb") as file:
            return file.read(mark.size)


GuestRam = SharedRam | PrivateRam


def _exactly(size: int, data: bytes) -> bytes:
    """Return the data. Raises OSError if it is short: the process has no memory any more."""
    if len(data) != size:
        raise OSError(errno.ESRCH, "QEMU's memory is gone")
    return data


def _changes(mark: Mark, pages: Iterator[tuple[int, bytes]]) -> list[Change]:
    compared = ((at, mark.was(at, PAGE), now) for at, now in pages)
    return [Change(at, was, now) for at, was, now in compared if was != now]


def _split(address: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    for at in range(0, len(data), PAGE):
        yield address + at, data[at : at + PAGE]


@contextmanager
def _opened(pid: int, name: str) -> Iterator[int]:
    fd = os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)
