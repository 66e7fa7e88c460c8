# SPDX-License-Identifier: GPL-2.0-only
"""An open file in the guest."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import ShortTransfer
from harness.host.errors import VmLost

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from harness.attacker.agent.descriptors import DescriptorCalls

CHUNK = 256 << 10
"""Bytes that one call transfers at most; larger data takes several calls."""


class File:
    """An open descriptor of the agent. The `with` block closes it.

    A read returns what the kernel returned, which may be less than requested. A write is complete
    or raises ShortTransfer, because a partial write is not the attack that was intended. All
    methods raise GuestError and VmLost as those of Attacker do.
    """

    def __init__(self, attacker: DescriptorCalls, fd: int) -> None:
        self._attacker = attacker
        self.fd = fd
        """The descriptor's number in the agent."""

    def read(self, size: int) -> bytes:
        """Read up to `size` bytes (read(2)); empty at the end of the file."""
        return self._attacker.read(self.fd, size)

    def pread(self, size: int, offset: int) -> bytes:
        """Read up to `size` bytes at `offset` (pread(2)); empty at the end of the file."""
        return self._attacker.pread(self.fd, size, offset)

    def write(self, data: bytes) -> None:
        """Write all of `data`, at most `CHUNK` (256 KiB), with one write(2)."""
        _whole("write", self._attacker.write(self.fd, data), len(data))

    def pwrite(self, data: bytes, offset: int) -> None:
        """Write all of `data`, at most `CHUNK` (256 KiB), at `offset` with one pwrite(2)."""
        _whole("pwrite64", self._attacker.pwrite(self.fd, data, offset), len(data))

    def write_all(self, data: bytes) -> None:
        """Write data of any size, with several write(2) calls if needed."""
        for at in range(0, len(data), CHUNK):
            self.write(data[at : at + CHUNK])

    def close(self) -> None:
        """Close the descriptor (close(2))."""
        self._attacker.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        # The error of the block is the one to report, not a failure to close after it.
        with suppress(OSError, VmLost):
            self.close()


def _whole(call: str, count: int, wanted: int) -> None:
    if count != wanted:
        raise ShortTransfer(call, count=count, wanted=wanted)
