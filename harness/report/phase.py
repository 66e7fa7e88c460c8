# SPDX-License-Identifier: GPL-2.0-only
"""The phase that a command is in, by its progress messages: its text, its clock, its time left.

A message begins with its phase: `source: unpacking linux.tar.xz`, or `kernel: 7 of 9 objects`. What
counts says itself what is left. For other phases, the time of the last run is the estimate.
"""

from __future__ import annotations

import re
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from harness.cache.notes import read_note, write_note
from harness.host.errors import UserError
from harness.host.pace import clock, duration
from harness.host.paths import cache_dir
from harness.report.text import visible

if TYPE_CHECKING:
    from pathlib import Path

_COUNTED = "#"  # in place of a count
_SHORT = 5.0  # seconds; a phase that ends earlier needs no estimate
_COUNT = re.compile(r"\b\d+(/\d+| of (about )?\d+| objects| programs| MiB| s\b)( objects| MiB)?")


class Phase:
    """The newest message and its clock. May be used from any thread."""

    def __init__(self, note: Path | None) -> None:
        """`note` has the seconds that phases took; without it, none is known."""
        self._note = note
        self._known: dict[str, float] = {}
        with suppress(OSError):
            self._known = (read_note(note, dict[str, float]) if note else None) or {}
        self._lock = threading.Lock()
        self._key = ""
        self._text = ""
        self._start = time.monotonic()

    def tell(self, text: str) -> bool:
        """Take a message, and return whether it begins a phase."""
        key = _COUNT.sub(_COUNTED, text.partition(",")[0])
        with self._lock:
            is_new = key != self._key
            if is_new:
                self._end()
                self._key, self._start = key, time.monotonic()
            self._text = visible(text)
            return is_new

    def end(self) -> None:
        """Note the time of the phase, which is over."""
        with self._lock:
            self._end()
            self._key = self._text = ""

    def __str__(self) -> str:
        """Return the message with its clock; empty without a phase."""
        with self._lock:
            if not self._text:
                return ""
            seconds = time.monotonic() - self._start
            return f"[{clock(seconds)}] {self._text}{self._estimate(seconds)}"

    def _estimate(self, seconds: float) -> str:
        known = self._known.get(self._key)
        if known is None:
            return ""
        left = known - seconds
        return f", about {duration(left)} left" if left > 0 else f", last time {duration(known)}"

    def _end(self) -> None:
        seconds = time.monotonic() - self._start
        if self._note is None or seconds < _SHORT or not self._key or _COUNTED in self._key:
            return
        self._known[self._key] = round(seconds, 1)
        with suppress(OSError):
            write_note(self._note, self._known)


def phase_of_user() -> Phase:
    """Return a phase whose estimates are those of the user's cache, if there is one."""
    try:
        return Phase(cache_dir() / "phases.json")
    except UserError:
        return Phase(None)
