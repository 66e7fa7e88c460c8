# SPDX-License-Identifier: GPL-2.0-only
"""Changed pages of guest memory, with this test's own process in QEMU's place."""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.vm.guest_ram import COPY, PAGE, Change, PrivateRam, SharedRam

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES = 8
SAVED = b"".join(bytes([n]) * PAGE for n in range(PAGES))
CHANGED = b"\xff" + bytes([3]) * (PAGE - 1)


class Monitor:
    """QEMU's `pmemsave`, of a memory that the test has mapped."""

    def __init__(self, directory: Path, memory: mmap.mmap) -> None:
        self._directory, self._memory = directory, memory

    def execute(self, command: str, *, val: int, size: int, filename: str) -> None:
        assert command == "pmemsave"
        (self._directory / filename).write_bytes(self._memory[val : val + size])


@pytest.fixture
def ram(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "ram"
    path.write_bytes(SAVED)
    with path.open("r+b") as file:
        yield file.fileno()


@pytest.fixture
def memory(ram: int) -> Iterator[mmap.mmap]:
    """The saved memory as QEMU maps it: what is written stays private."""
    with mmap.mmap(ram, 0, flags=mmap.MAP_PRIVATE) as memory:
        yield memory


@pytest.fixture
def private(ram: int, memory: mmap.mmap, tmp_path: Path) -> PrivateRam:
    return PrivateRam(ram, os.getpid(), tmp_path, cast("Any", Monitor(tmp_path, memory)))


def test_only_a_page_that_differs_is_a_change(private: PrivateRam, memory: mmap.mmap) -> None:
    mark = private.mark(PAGE, 6 * PAGE)
    assert private.changes(mark) == []
    memory[3 * PAGE] = 0xFF
    memory[4 * PAGE] = 4  # copied, but as it was
    memory[7 * PAGE] = 0xFF  # beyond the mark
    assert private.changes(mark) == [Change(3 * PAGE, SAVED[3 * PAGE :][:PAGE], CHANGED)]
    memory[3 * PAGE] = 3
    assert private.changes(mark) == []


@pytest.mark.parametrize("hidden", ["process", "mapping"])
def test_qemu_copies_the_memory_where_the_host_cannot_look(
    private: PrivateRam, memory: mmap.mmap, tmp_path: Path, hidden: str
) -> None:
    mark = private.mark(PAGE, 6 * PAGE)
    memory[3 * PAGE] = 0xFF
    if hidden == "process":
        private._pid = 0
    else:
        private._pid = os.getppid()
    assert private.changes(mark) == [Change(3 * PAGE, SAVED[3 * PAGE :][:PAGE], CHANGED)]
    (tmp_path / COPY).unlink()
    (tmp_path / COPY).symlink_to(tmp_path / "ram")  # a link is replaced, not followed
    assert len(private.changes(mark)) == 1


def test_a_booted_machine_is_compared_with_the_moment_of_the_mark(ram: int) -> None:
    os.pwrite(ram, b"\xee", 2 * PAGE)
    shared = SharedRam(ram)
    mark = shared.mark(PAGE, 6 * PAGE)
    assert shared.changes(mark) == []
    os.pwrite(ram, b"\xff", 3 * PAGE)
    assert shared.changes(mark) == [Change(3 * PAGE, SAVED[3 * PAGE :][:PAGE], CHANGED)]


def test_memory_is_read_as_it_is_now(private: PrivateRam, memory: mmap.mmap, ram: int) -> None:
    assert private.read(3 * PAGE, PAGE) == SAVED[3 * PAGE :][:PAGE]
    memory[3 * PAGE] = 0xFF
    assert private.read(3 * PAGE, PAGE) == CHANGED
    private.close()
    os.pwrite(ram, b"\xff", 3 * PAGE)
    assert SharedRam(ram).read(3 * PAGE, PAGE) == CHANGED


def test_memory_that_is_gone_is_not_read(private: PrivateRam, ram: int) -> None:
    private._pid = 0
    for where in (private, SharedRam(ram)):
        with pytest.raises(OSError, match=r"."):
            where.read(8 * PAGE, 1)
