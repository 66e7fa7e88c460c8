# SPDX-License-Identifier: GPL-2.0-only
"""Progress where lines stay: in a log, or from a worker without a terminal."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from harness.report.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable

_EVERY = 10.0  # seconds


class PlainProgress:
    """Prints the first line of a kind at once, then one every few seconds.

    A line's kind is its first word: a build tells of every object, and a log of thousands of
    lines hides the one that matters. May be called from any thread.
    """

    def __init__(self, write: Callable[[str], object], *, every: float = _EVERY) -> None:
        """Print through `write`, a line of a kind at most `every` seconds."""
        self._write = write
        self._every = every
        self._lock = threading.Lock()
        self._next = 0.0
        self._kind = ""

    def __call__(self, text: str) -> None:
        """Print the line, unless one of its kind was printed just now."""
        kind = text.partition(" ")[0]
        with self._lock:
            if kind == self._kind and time.monotonic() < self._next:
                return
            self._kind = kind
            self._next = time.monotonic() + self._every
            self._write(visible(text))
