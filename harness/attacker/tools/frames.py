# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel tells of page frames, whosever they are (admin-guide/mm/pagemap.rst)."""

from __future__ import annotations

import struct
from os import O_RDONLY, O_WRONLY
from typing import TYPE_CHECKING

from harness.attacker.agent.files import CHUNK

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

# include/uapi/linux/kernel-page-flags.h
KPF_ANON = 1 << 12
KPF_SWAPCACHE = 1 << 13

_FLAGS = "/proc/kpageflags"
_IDLE = "/sys/kernel/mm/page_idle/bitmap"
_ENTRY = 8
_MOST = 4096
"""What one write to a file of sysfs takes."""


def frames_with(attacker: Attacker, flag: int) -> set[int]:
    """The frames that have a flag."""
    flags = attacker.read_file(_FLAGS)
    flags = flags[: len(flags) // _ENTRY * _ENTRY]
    return {frame for frame, (bits,) in enumerate(struct.iter_unpack("<Q", flags)) if bits & flag}


def frame_flags(attacker: Attacker, frame: int) -> int:
    """The flags of one frame."""
    with attacker.open(_FLAGS, O_RDONLY) as table:
        return int.from_bytes(table.pread(_ENTRY, frame * _ENTRY), "little")


def any_frame(attacker: Attacker, flags: int, *, of: int) -> bool:
    """Whether a frame has just these flags of those. It looks no further than to the first."""
    at = 0
    with attacker.open(_FLAGS, O_RDONLY) as table:
        while data := table.pread(CHUNK, at):
            if any(bits & of == flags for bits in memoryview(data).cast("Q")):
                return True
            at += len(data)
    return False


def mark_idle(attacker: Attacker) -> int:
    """Have every frame of user memory count as idle until it is used again; how many are there."""
    size = len(attacker.read_file(_IDLE))
    with attacker.open(_IDLE, O_WRONLY) as bitmap:
        for at in range(0, size, _MOST):
            bitmap.write(b"\xff" * min(_MOST, size - at))
    return size * 8


def idle_frames(attacker: Attacker) -> set[int]:
    """The frames that have not been used since."""
    return set(bits_in(attacker.read_file(_IDLE)))


def bits_in(bitmap: bytes) -> list[int]:
    """The numbers of the bits that are set."""
    return [
        at * 8 + bit
        for at, byte in enumerate(bitmap)
        if byte
        for bit in range(8)
        if byte >> bit & 1
    ]
