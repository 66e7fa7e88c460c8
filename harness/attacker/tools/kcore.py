# SPDX-License-Identifier: GPL-2.0-only
"""Kernel memory as root reads it: /proc/kcore, an ELF core, and the names in /proc/kallsyms."""

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
_ELF = struct.Struct("<32xQ16xH6x")  # Elf64_Ehdr: where the program headers are, and how many
_PROGRAM = struct.Struct("<I4x3Q8xQ8x")  # Elf64_Phdr: type, offset, addresses, size in memory
_LOAD = 1  # PT_LOAD
_NOWHERE = (1 << 64) - 1
_IMAGE = 0xFFFFFFFF80000000
"""From here on the kernel maps its own image, once more (Documentation/arch/x86/x86_64/mm.rst)."""


@dataclass(frozen=True)
class Segment:
    """A range of the kernel's memory; `physical` is -1 for one that is not one piece of RAM."""

    virtual: int
    physical: int
    size: int
    offset: int


def segments(core: bytes) -> tuple[Segment, ...]:
    """What the headers of an ELF core say is in it. Raises VmLost if they are none."""
    if len(core) < _ELF.size or not core.startswith(_MAGIC):
        raise VmLost("/proc/kcore is no ELF file")
    start, count = _ELF.unpack_from(core)
    headers = core[start : start + count * _PROGRAM.size]
    if len(headers) != count * _PROGRAM.size:
        raise VmLost(f"/proc/kcore's {count} headers are not where it says")
    return tuple(
        Segment(virtual, -1 if physical == _NOWHERE else physical, size, offset)
        for kind, offset, virtual, physical, size in _PROGRAM.iter_unpack(headers)
        if kind == _LOAD
    )


class Kcore:
    """/proc/kcore, opened once for its headers and once for each read."""

    def __init__(self, attacker: Attacker) -> None:
        self._attacker = attacker
        with attacker.open("/proc/kcore", O_RDONLY) as core:
            self._segments = segments(core.pread(_HEADERS, 0))

    def direct(self, physical: int) -> int:
        """Where physical memory is mapped in the kernel. Raises LookupError if nowhere."""
        for segment in self._segments:
            at = physical - segment.physical
            if segment.physical >= 0 and segment.virtual < _IMAGE and 0 <= at < segment.size:
                return segment.virtual + at
        raise LookupError(f"physical {physical:#x} is nowhere in /proc/kcore")

    def read(self, virtual: int, size: int) -> bytes:
        """Read kernel memory. Raises LookupError if it is not there."""
        for segment in self._segments:
            if 0 <= virtual - segment.virtual < segment.size:
                with self._attacker.open("/proc/kcore", O_RDONLY) as core:
                    return core.pread(size, segment.offset + virtual - segment.virtual)
        raise LookupError(f"{virtual:#x} is nowhere in /proc/kcore")


def module_symbol(attacker: Attacker, module: str, name: str) -> int | None:
    """The address of a module's symbol; None if it has none of that name."""
    ending = f" {name}\t[{module}]"
    for line in attacker.read_file("/proc/kallsyms").decode(errors="replace").splitlines():
        if line.endswith(ending):
            return int(line.split(" ", 1)[0], 16)
    return None
