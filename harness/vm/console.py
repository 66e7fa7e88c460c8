# SPDX-License-Identifier: GPL-2.0-only
"""The guest's console: drained so that QEMU never blocks, kept up to a cap, shown escaped."""

from __future__ import annotations

import threading
from typing import IO

CAP = 256 * 1024
"""Bytes of the guest's output kept from its start, and as many from its end."""


def escape(data: bytes) -> str:
    """Return guest output as printable text; control sequences must not reach a terminal."""
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return "".join(c if c == "\n" or c.isprintable() else ascii(c)[1:-1] for c in text)


class Console:
    """Reads `stream` to its end in its own thread."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0
        self._thread = threading.Thread(target=self._drain, name="console", daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        while data := self._stream.read1(65536):  # type: ignore[attr-defined]
            with self._lock:
                room = CAP - len(self._head)
                self._head += data[:room]
                self._tail += data[room:]
                if len(self._tail) > CAP:
                    self._dropped += len(self._tail) - CAP
                    del self._tail[:-CAP]

    def text(self) -> str:
        """Return the output so far, escaped, with a note of how much of its middle was dropped."""
        with self._lock:
            head, tail, dropped = bytes(self._head), bytes(self._tail), self._dropped
        gap = f"\n[{dropped} bytes dropped]\n" if dropped else ""
        return escape(head) + gap + escape(tail)

    def hear_out(self) -> None:
        """Wait up to 5 s for the end of the stream, which comes with the end of QEMU."""
        self._thread.join(5)

    def close(self) -> None:
        """Read the stream to its end, and close it."""
        self.hear_out()
        self._stream.close()
