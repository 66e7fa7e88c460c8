# SPDX-License-Identifier: GPL-2.0-only
"""Counts, in QEMU itself, which code the guest's kernel runs (rule 1).

QEMU's TCG shows each block of guest code to a plugin (kernel_watch.c) before the guest's CPU can
run it. The plugin counts in memory that only QEMU and the harness share, so that nothing in the
guest can undo a count.
"""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cache.places import PLUGINS
from harness.cache.store import Store
from harness.host.commands import output_of
from harness.host.errors import UserError, VmLost

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import ExitStack

DOORS, RANGES = 64, 4
"""The sizes of kernel_watch.c."""

_NAME = "kernel_watch.so"
_COMPILE = ("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden")
_SOURCE = Path(__file__).with_suffix(".c")
_MODULES = (0xFFFFFFFFA0000000, 0xFFFFFFFFFF000000)
"""Where x86-64 puts modules, BPF programs and trampolines (pgtable_64_types.h)."""


class _Area(ctypes.Structure):
    """`struct area` of kernel_watch.c."""

    _fields_ = (
        ("alive", ctypes.c_uint64),
        ("is_placed", ctypes.c_uint64),
        ("slide", ctypes.c_uint64),
        ("known", ctypes.c_uint64 * (2 * RANGES)),
        ("foreign", ctypes.c_uint64),
        ("foreign_at", ctypes.c_uint64),
        ("doors", ctypes.c_uint64 * DOORS),
        ("calls", ctypes.c_uint64 * DOORS),
    )


@dataclass(frozen=True)
class KernelCode:
    """What a guest's kernel is known to run, and the functions to count. Addresses as linked."""

    text: tuple[tuple[int, int], ...]
    """The ranges of the kernel's own code."""
    doors: Mapping[str, int]
    """The functions to count, and where each begins."""


@dataclass(frozen=True)
class KernelCalls:
    """What the plugin has counted so far."""

    calls: Mapping[str, int]
    """Calls of each door."""
    foreign: int
    """Blocks of kernel code outside of the known ranges."""
    foreign_at: int
    """The address of the first of these blocks, 0 if there is none."""

    def since(self, earlier: KernelCalls) -> dict[str, int]:
        """Return the calls of each door called since `earlier`.

        If foreign code ran, `code at ...` is among them, with the number of its blocks.
        """
        found = {name: count - earlier.calls[name] for name, count in self.calls.items()}
        found[f"code at {self.foreign_at:#x}"] = self.foreign - earlier.foreign
        return {name: count for name, count in found.items() if count}


class KernelWatch:
    """The plugin of one QEMU, and the memory that it counts in."""

    def __init__(self, stack: ExitStack, code: KernelCode) -> None:
        """Create the shared memory, which `stack` closes. Raises OSError, UserError."""
        self._names = tuple(code.doors)
        self.plugin = os.open(compiled_plugin(), os.O_RDONLY)
        stack.callback(os.close, self.plugin)
        self.memory = os.memfd_create("kernel-watch")
        stack.callback(os.close, self.memory)
        os.ftruncate(self.memory, ctypes.sizeof(_Area))
        shared = mmap.mmap(self.memory, ctypes.sizeof(_Area))
        self._area = _Area.from_buffer(shared)
        known = [*code.text, _MODULES]
        self._area.known[: 2 * len(known)] = [bound for start_end in known for bound in start_end]
        self._area.doors[: len(code.doors)] = list(code.doors.values())

    def arguments(self) -> list[str]:
        """Return QEMU's arguments. QEMU must inherit `memory` and be able to read `plugin`."""
        return ["-plugin", f"file=/proc/self/fd/{self.plugin},area={self.memory}"]

    def place(self, slide: int) -> None:
        """Say by how many bytes KASLR moved the kernel: from now on the plugin counts."""
        self._area.slide = slide
        self._area.is_placed = 1

    def read(self) -> KernelCalls:
        """Return the counts. Raises VmLost if QEMU did not load the plugin."""
        area = self._area
        if not area.alive:
            raise VmLost("QEMU runs without the plugin that watches the guest's kernel")
        calls = dict(zip(self._names, area.calls, strict=False))
        return KernelCalls(calls, area.foreign, area.foreign_at)


def compiled_plugin(sent: Path | None = None) -> Path:
    """Return the compiled plugin. If there is none, it is copied from the folder `sent`, if given.

    Raises UserError if the compiler fails.
    """
    key = hashlib.sha256(" ".join(_COMPILE).encode() + _SOURCE.read_bytes()).hexdigest()[:32]

    def fill(new: Path) -> None:
        if sent is not None:
            shutil.copyfile(sent / _NAME, new / _NAME)
            return
        status, said = output_of([*_COMPILE, "-o", str(new / _NAME), str(_SOURCE)])
        if status:
            raise UserError(f"gcc cannot compile {_SOURCE}: {said}", hint="see its message")

    return Store(PLUGINS.path(), seconds=60, kept=2).find_or_make(key, fill) / _NAME
