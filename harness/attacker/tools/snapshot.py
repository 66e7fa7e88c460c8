# SPDX-License-Identifier: GPL-2.0-only
"""/dev/snapshot, by which a hibernating user space freezes the machine and takes its image."""

from __future__ import annotations

import struct
from contextlib import contextmanager
from os import O_RDONLY
from typing import TYPE_CHECKING

from harness.attacker.agent.files import File

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.attacker.agent.attacker import Attacker

# include/uapi/linux/suspend_ioctls.h
_FREEZE = 0x3301
_UNFREEZE = 0x3302
_FREE = 0x3305
_CREATE_IMAGE = 0x40043311

_PAGE = 4096
# struct swsusp_info of kernel/power/power.h: image_pages and pages, from behind the name of the
# kernel, its version and the counts of pages and CPUs
_HEADER = struct.Struct("<390x2xI4xQi4xQQ")
_ZERO = 1 << 63  # ENCODED_PFN_ZERO_FLAG of kernel/power/snapshot.c: the image leaves it out
_END = (1 << 64) - 1
_SKIPPED = 1024
_IOVEC = struct.Struct("<QQ")
_MAP_PRIVATE_ANONYMOUS, _PROT_READ_WRITE = 0x22, 3


class SnapshotDevice(File):
    """The device, opened to hibernate: one at a time on a machine."""

    def __init__(self, attacker: Attacker) -> None:
        super().__init__(attacker, attacker.open("/dev/snapshot", O_RDONLY).fd)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have every process but the agent frozen, whatever it is allowed to ask of them."""
        self._ioctl(_FREEZE)
        try:
            yield
        finally:
            self._ioctl(_UNFREEZE)

    @contextmanager
    def image(self) -> Iterator[None]:
        """Have an image of the frozen machine's memory taken, to be read in the `with` block."""
        self._ioctl(_CREATE_IMAGE, bytearray(4))
        try:
            yield
        finally:
            self._ioctl(_FREE)

    def page(self, frame: int) -> bytes:
        """What the image has of one page frame. Raises LookupError if nothing."""
        _, _, _, copied, pages = _HEADER.unpack_from(self.read(_PAGE))
        frames = b"".join(self.read(_PAGE) for _ in range(pages - copied - 1))
        self._skip(place_of(frame, frames))
        return self.read(_PAGE)

    def _ioctl(self, command: int, argument: bytearray | int = 0) -> None:
        self._attacker.syscall("ioctl", self.fd, command, argument)

    def _skip(self, pages: int) -> None:
        """Read on without having the pages sent here: each over the one before."""
        attacker = self._attacker
        over = attacker.syscall(
            *("mmap", 0, _PAGE, _PROT_READ_WRITE, _MAP_PRIVATE_ANONYMOUS, -1, 0)
        )
        vectors = _IOVEC.pack(over, _PAGE) * _SKIPPED
        while pages:
            pages -= attacker.syscall("readv", self.fd, vectors, min(pages, _SKIPPED)) // _PAGE


def place_of(frame: int, frames: bytes) -> int:
    """How many pages an image has in front of that of one frame, by its table of frames."""
    before = 0
    for (entry,) in struct.iter_unpack("<Q", frames):
        if entry == _END:
            break
        if entry == frame:
            return before
        before += not entry & _ZERO
    raise LookupError(f"the image has no page {frame:#x}")
