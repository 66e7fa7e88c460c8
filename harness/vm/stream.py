# SPDX-License-Identifier: GPL-2.0-only
"""The byte stream to the agent: a socket, or an object with the same methods."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


class Stream(Protocol):
    """The methods of a connected stream socket that the agent's channel uses.

    Each raises TimeoutError when its deadline has passed, and OSError if the stream is broken.
    """

    def settimeout(self, value: float | None, /) -> None:
        """Set the deadline of each further call, in seconds; None for no deadline."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of `data`."""

    def recv_into(self, buffer: memoryview, /) -> int:
        """Receive into the start of `buffer`; return how many bytes, 0 at the stream's end."""

    def close(self) -> None:
        """Close the stream."""


@runtime_checkable
class FileStream(Stream, Protocol):
    """A stream that can also transfer files into the guest."""

    def put(self, path: str, data: bytes, mode: int, /) -> None:
        """Create the file `path` with this content and these permission bits."""
