# SPDX-License-Identifier: GPL-2.0-only
"""/dev/snapshot, the hibernation device: it freezes all processes and takes an image of memory.

See Documentation/power/userland-swsusp.rst.
"""

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
# struct swsusp_info of kernel/power/power.h. Skipped are the kernel's name, its version, and the
# counts of pages and CPUs; image_pages and pages are read.
_HEADER = struct.Struct("<390x2xI4xQi4xQQ")
_ZERO = 1 << 63  # ENCODED_PFN_ZERO_FLAG of kernel/power/snapshot.c: a page absent from the image
_END = (1 << 64) - 1
_SKIPPED = 1024
_IOVEC = struct.Struct("<QQ")
_MAP_PRIVATE_ANONYMOUS, _PROT_READ_WRITE = 0x22, 3


class SnapshotDevice(File):
    """The device, opened for hibernation. A machine can have it open only once at a time."""

    def __init__(self, attacker: Attacker) -> None:
        super().__init__(attacker, attacker.open("/dev/snapshot", O_RDONLY).fd)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze every process except the agent in the `with` block."""
        self._ioctl(_FREEZE)
        try:
            yield
        finally:
            self._ioctl(_UNFREEZE)

    @contextmanager
    def image(self) -> Iterator[None]:
        """Take an image of the frozen machine's memory, which `page` reads in the `with` block."""
        self._ioctl(_CREATE_IMAGE, bytearray(4))
        try:
            yield
        finally:
            self._ioctl(_FREE)

    def page(self, frame: int) -> bytes:
        """Return the content of one page frame. Raises LookupError if the image lacks it."""
        _, _, _, copied, pages = _HEADER.unpack_from(self.read(_PAGE))
        frames = b"".join(self.read(_PAGE) for _ in range(pages - copied - 1))
        self._skip(place_of(frame, frames))
        return self.read(_PAGE)

    def _ioctl(self, command: int, argument: bytearray | int = 0) -> None:
        self._attacker.syscall("ioctl", self.fd, command, argument)

    def _skip(self, pages: int) -> None:
        """Skip pages by reading all of them into one page of the agent's memory."""
        attacker = self._attacker
        over = attacker.syscall(
            *("mmap", 0, _PAGE, _PROT_READ_WRITE, _MAP_PRIVATE_ANONYMOUS, -1, 0)
        )
        vectors = _IOVEC.pack(over, _PAGE) * _SKIPPED
        while pages:
            pages -= attacker.syscall("readv", self.fd, vectors, min(pages, _SKIPPED)) // _PAGE


def place_of(frame: int, frames: bytes) -> int:
    """Return how many pages of the image precede that of `frame`, by the image's frame table.

    Raises LookupError if the table lacks the frame.
    """
    before = 0
    for (entry,) in struct.iter_unpack("<Q", frames):
        if entry == _END:
            break
        if entry == frame:
            return before
        before += not entry & _ZERO
    raise LookupError(f"the image has no page frame {frame:#x}")
