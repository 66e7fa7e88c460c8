# SPDX-License-Identifier: GPL-2.0-only
"""The guest's console: drained so that it never blocks, kept up to a cap, shown only escaped."""

from __future__ import annotations

import threading
from typing import IO

CAP = 256 * 1024
"""Bytes kept of each end of what the guest printed."""


def escape(data: bytes) -> str:
    """Printable text: a guest's control sequences must not reach a terminal or a report."""
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return "".join(c if c == "\n" or c.isprintable() else ascii(c)[1:-1] for c in text)


class Console:
    """Reads `stream` to its end in a thread of its own."""

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
        """What was printed so far, escaped, and how much of the middle was dropped."""
        with self._lock:
            head, tail, dropped = bytes(self._head), bytes(self._tail), self._dropped
        gap = f"\n[{dropped} bytes dropped]\n" if dropped else ""
        return escape(head) + gap + escape(tail)

    def hear_out(self) -> None:
        """Wait for the end of the stream, which comes with the end of QEMU."""
        self._thread.join(5)

    def close(self) -> None:
        """Hear it out and let go of it."""
        self.hear_out()
        self._stream.close()
