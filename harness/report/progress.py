# SPDX-License-Identifier: GPL-2.0-only
"""Progress messages for output that is no terminal: a log, or a worker's."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from harness.report.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable

_EVERY = 10.0  # seconds


class PlainProgress:
    """Prints the first message of a kind at once, and further messages every few seconds.

    The kind of a message is its first word. A build sends a message for every object file, which
    would fill a log with thousands of lines. May be called from any thread.
    """

    def __init__(self, write: Callable[[str], object], *, every: float = _EVERY) -> None:
        """Print by `write`, and at most one message of a kind in `every` seconds."""
        self._write = write
        self._every = every
        self._lock = threading.Lock()
        self._next = 0.0
        self._kind = ""

    def __call__(self, text: str) -> None:
        """Print the message, unless one of its kind was printed just before."""
        kind = text.partition(" ")[0]
        with self._lock:
            if kind == self._kind and time.monotonic() < self._next:
                return
            self._kind = kind
            self._next = time.monotonic() + self._every
            self._write(visible(text))
