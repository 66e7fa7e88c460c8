# SPDX-License-Identifier: GPL-2.0-only
"""The flags of all page frames: /proc/kpageflags and idle page tracking.

See Documentation/admin-guide/mm/pagemap.rst and idle_page_tracking.rst. A frame is named by its
page frame number.
"""

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
KPF_SWAPBACKED = 1 << 14
KPF_UNEVICTABLE = 1 << 18

_FLAGS = "/proc/kpageflags"
IDLE = "/sys/kernel/mm/page_idle/bitmap"
"""The file of idle page tracking, with one bit for each frame."""
_ENTRY = 8
_MOST = 4096
"""Bytes that one write to a sysfs file takes."""


def frames_with(attacker: Attacker, flags: int, *, but: int = 0) -> set[int]:
    """Return the frames that have all `flags`, such as `KPF_ANON`, and none of the flags `but`."""
    found = attacker.read_file(_FLAGS)
    words = struct.iter_unpack("<Q", found[: len(found) // _ENTRY * _ENTRY])
    return {frame for frame, (bits,) in enumerate(words) if bits & (flags | but) == flags}


def frame_flags(attacker: Attacker, frame: int) -> int:
    """Return the flags of one frame."""
    with attacker.open(_FLAGS, O_RDONLY) as table:
        return int.from_bytes(table.pread(_ENTRY, frame * _ENTRY), "little")


def any_frame(attacker: Attacker, flags: int, *, of: int) -> bool:
    """Return whether any frame has, of the flags `of`, exactly `flags`. Stop at the first."""
    at = 0
    with attacker.open(_FLAGS, O_RDONLY) as table:
        while data := table.pread(CHUNK, at):
            if any(bits & of == flags for bits in memoryview(data).cast("Q")):
                return True
            at += len(data)
    return False


def mark_idle(attacker: Attacker) -> int:
    """Mark every frame of user memory idle; return how many frames the bitmap covers.

    The kernel clears a frame's mark when the frame is used.
    """
    size = len(attacker.read_file(IDLE))
    with attacker.open(IDLE, O_WRONLY) as bitmap:
        for at in range(0, size, _MOST):
            bitmap.write(b"\xff" * min(_MOST, size - at))
    return size * 8


def idle_frames(attacker: Attacker) -> set[int]:
    """Return the frames that have not been used since `mark_idle`."""
    return set(bits_in(attacker.read_file(IDLE)))


def bits_in(bitmap: bytes) -> list[int]:
    """Return the numbers of the bits that are set, in ascending order."""
    return [
        at * 8 + bit
        for at, byte in enumerate(bitmap)
        if byte
        for bit in range(8)
        if byte >> bit & 1
    ]
