# SPDX-License-Identifier: GPL-2.0-only
"""An open file of the guest."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import ShortTransfer
from harness.host.errors import VmLost

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from harness.attacker.agent.attacker import Attacker

CHUNK = 256 << 10
"""The most that one call moves; larger data goes in several."""


class File:
    """A descriptor of the agent's, closed at the end of its `with` block.

    What is written is written in whole or raises ShortTransfer: half an attack is none.
    Reads return what there is, as read(2) does.
    """

    def __init__(self, attacker: Attacker, fd: int) -> None:
        self._attacker = attacker
        self.fd = fd

    def read(self, size: int) -> bytes:
        """read(2) of up to `size` bytes; empty at the end."""
        return self._attacker.read(self.fd, size)

    def pread(self, size: int, offset: int) -> bytes:
        """pread(2) of up to `size` bytes."""
        return self._attacker.pread(self.fd, size, offset)

    def write(self, data: bytes) -> None:
        """write(2) of all of `data`, at most `CHUNK` bytes."""
        _whole("write", self._attacker.write(self.fd, data), len(data))

    def pwrite(self, data: bytes, offset: int) -> None:
        """pwrite(2) of all of `data`, at most `CHUNK` bytes."""
        _whole("pwrite64", self._attacker.pwrite(self.fd, data, offset), len(data))

    def write_all(self, data: bytes) -> None:
        """Write data of any size, in several calls if need be."""
        for at in range(0, len(data), CHUNK):
            self.write(data[at : at + CHUNK])

    def close(self) -> None:
        """close(2)."""
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
        # What went wrong inside is the news, not that closing fails too.
        with suppress(OSError, VmLost):
            self.close()


def _whole(call: str, count: int, wanted: int) -> None:
    if count != wanted:
        raise ShortTransfer(call, count=count, wanted=wanted)
