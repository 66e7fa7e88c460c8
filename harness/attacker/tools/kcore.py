# SPDX-License-Identifier: GPL-2.0-only
"""Kernel memory through /proc/kcore, an ELF core, and kernel symbols through /proc/kallsyms."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from os import O_RDONLY
from typing import TYPE_CHECKING

from harness.host.errors import VmLost

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

_HEADERS = 4096
_MAGIC = b"\x7fELF"
_ELF = struct.Struct("<32xQ16xH6x")  # Elf64_Ehdr: e_phoff and e_phnum
_PROGRAM = struct.Struct("<I4x3Q8xQ8x")  # Elf64_Phdr: type, offset, addresses, size in memory
_LOAD = 1  # PT_LOAD
_NOWHERE = (1 << 64) - 1
_IMAGE = 0xFFFFFFFF80000000
"""Start of the second mapping of the kernel image (Documentation/arch/x86/x86_64/mm.rst)."""


@dataclass(frozen=True)
class Segment:
    """A range of kernel memory: one PT_LOAD segment of the core. All fields are in bytes."""

    virtual: int
    """Its virtual address."""
    physical: int
    """Its physical address; -1 if the range is not physically contiguous."""
    size: int
    """Its length."""
    offset: int
    """Its offset in /proc/kcore."""


def segments(core: bytes) -> tuple[Segment, ...]:
    """Return the PT_LOAD segments of an ELF core. Raises VmLost if its headers are malformed."""
    if len(core) < _ELF.size or not core.startswith(_MAGIC):
        raise VmLost("/proc/kcore is not an ELF file")
    start, count = _ELF.unpack_from(core)
    headers = core[start : start + count * _PROGRAM.size]
    if len(headers) != count * _PROGRAM.size:
        raise VmLost(
            f"/proc/kcore announces {count} program headers at {start:#x}: some are missing"
        )
    return tuple(
        Segment(virtual, -1 if physical == _NOWHERE else physical, size, offset)
        for kind, offset, virtual, physical, size in _PROGRAM.iter_unpack(headers)
        if kind == _LOAD
    )


class Kcore:
    """/proc/kcore. It is opened once for its headers, and again for each read."""

    def __init__(self, attacker: Attacker) -> None:
        self._attacker = attacker
        with attacker.open("/proc/kcore", O_RDONLY) as core:
            self._segments = segments(core.pread(_HEADERS, 0))

    def direct(self, physical: int) -> int:
        """Return the direct-map address of physical address `physical`.

        Raises LookupError if no segment covers it.
        """
        for segment in self._segments:
            at = physical - segment.physical
            if segment.physical >= 0 and segment.virtual < _IMAGE and 0 <= at < segment.size:
                return segment.virtual + at
        raise LookupError(f"/proc/kcore has no segment for physical address {physical:#x}")

    def read(self, virtual: int, size: int) -> bytes:
        """Read up to `size` bytes of kernel memory. Raises LookupError if no segment covers it."""
        for segment in self._segments:
            if 0 <= virtual - segment.virtual < segment.size:
                with self._attacker.open("/proc/kcore", O_RDONLY) as core:
                    return core.pread(size, segment.offset + virtual - segment.virtual)
        raise LookupError(f"/proc/kcore has no segment for address {virtual:#x}")


def module_symbol(attacker: Attacker, module: str, name: str) -> int | None:
    """Return the address of a module's symbol, None if the module has no symbol of that name."""
    ending = f" {name}\t[{module}]"
    for line in attacker.read_file("/proc/kallsyms").decode(errors="replace").splitlines():
        if line.endswith(ending):
            return int(line.split(" ", 1)[0], 16)
    return None
