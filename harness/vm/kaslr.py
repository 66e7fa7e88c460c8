# SPDX-License-Identifier: GPL-2.0-only
"""Where KASLR put the kernel, from the vmcoreinfo note that the booting kernel exports.

The note is in guest memory, where root may forge it. The harness reads it once, before any
attacker's code runs, and never again (rule 1).
"""

from __future__ import annotations

import io
import re
import time
from typing import TYPE_CHECKING, NamedTuple

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import NoteSegment

from harness.host.errors import VmLost

if TYPE_CHECKING:
    from collections.abc import Callable

NOTE_SECONDS = 120.0
"""Deadline for the note. The kernel exports it before its first process starts; under TCG on an
idle machine a boot takes 2 s."""

POLL_SECONDS = 0.1
_NAME = "VMCOREINFO"
# Both are written by arch/x86/kernel/vmcore_info_64.c.
_KERNEL_OFFSET = re.compile(rb"^KERNELOFFSET=([0-9a-f]{1,16})$", re.MULTILINE)
_PHYS_BASE = re.compile(rb"^NUMBER\(phys_base\)=(-?[0-9]{1,20})$", re.MULTILINE)


class Placement(NamedTuple):
    """How far the kernel is from where it was linked for, in bytes."""

    load_offset: int = 0
    """From a symbol's linked physical address to its actual one."""
    slide: int = 0
    """From a symbol's linked virtual address to its actual one."""


def find_kernel(vmcore: Callable[[], bytes], *, size: int) -> Placement:
    """Wait for the booting kernel's note, and return where the kernel is.

    `vmcore` returns an ELF core of the guest, `size` is the guest's memory in bytes. Raises VmLost
    if there is no note after `NOTE_SECONDS`, or if its offset is impossible.
    """
    deadline = time.monotonic() + NOTE_SECONDS
    while (note := vmcoreinfo(vmcore())) is None:
        if time.monotonic() > deadline:
            raise VmLost(
                f"the guest gave no vmcoreinfo note in {NOTE_SECONDS:g} s, so its kernel cannot be "
                "found with KASLR on: it needs CONFIG_FW_CFG_SYSFS and CONFIG_VMCORE_INFO"
            )
        time.sleep(POLL_SECONDS)
    found = placement(note)
    if not 0 <= found.load_offset < size:
        raise VmLost(
            f"the guest's vmcoreinfo note places its kernel outside memory: {found.load_offset:#x}"
        )
    return found


def vmcoreinfo(core: bytes) -> bytes | None:
    """Return the VMCOREINFO note of an ELF core, None if it has none.

    Raises VmLost if the data is not an ELF file.
    """
    try:
        for segment in ELFFile(io.BytesIO(core)).iter_segments():
            if isinstance(segment, NoteSegment):
                for note in segment.iter_notes():
                    if note["n_name"] == _NAME:
                        return bytes(note["n_descdata"])
    except ELFError as error:
        raise VmLost(f"QEMU's dump of the guest is no ELF file: {error}") from error
    return None


def placement(note: bytes) -> Placement:
    """Return where the kernel is, by its note.

    KASLR moves the kernel twice: its virtual addresses by KERNELOFFSET, and the physical memory
    mapped there by phys_base. Raises VmLost if the note lacks either.
    """
    virtual, physical = _KERNEL_OFFSET.search(note), _PHYS_BASE.search(note)
    if not virtual or not physical:
        raise VmLost("the guest's vmcoreinfo note does not say where its kernel is")
    slide = int(virtual[1], 16)
    return Placement(slide + int(physical[1]), slide)
