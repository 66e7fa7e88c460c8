# SPDX-License-Identifier: GPL-2.0-only
"""The byte stream to the agent: a socket, or whatever reads and writes like one."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


class Stream(Protocol):
    """What the agent's channel takes from a connected stream socket.

    Each of them raises TimeoutError past the deadline, and OSError where the stream broke.
    """

    def settimeout(self, value: float | None, /) -> None:
        """Give each further call so many seconds."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of it."""

    def recv_into(self, buffer: memoryview, /) -> int:
        """Fill a part of the buffer; return how many bytes, 0 at the stream's end."""

    def close(self) -> None:
        """Let go of it."""


@runtime_checkable
class FileStream(Stream, Protocol):
    """A stream that has a way of its own to put files into the guest."""

    def put(self, path: str, data: bytes, mode: int, /) -> None:
        """Make a file with this content and mode. Raises as the other calls do."""
