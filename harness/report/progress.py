# SPDX-License-Identifier: GPL-2.0-only
"""Progress messages for output that is no terminal: a log, or a worker's."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.report.phase import Phase
from harness.report.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_EVERY = 10.0  # seconds between lines of a phase
_SILENCE = 30.0  # seconds without a message after which a line says that the phase goes on


class PlainProgress:
    """Prints the first message of a phase at once, and further ones every few seconds.

    A build sends a message for every object file, which would fill a log with thousands of lines.
    May be called from any thread.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        every: float = _EVERY,
        silence: float = _SILENCE,
        phase: Phase | None = None,
    ) -> None:
        """Print by `write`, and at most one message of a phase in `every` seconds."""
        self._write = write
        self._every = every
        self._silence = silence
        self._phase = phase or Phase(None)
        self._lock = threading.Lock()
        self._last = 0.0

    def __call__(self, text: str) -> None:
        """Print the message, unless one of its phase was printed just before."""
        with self._lock:
            if self._phase.tell(text):
                self._print(visible(text))
            elif time.monotonic() >= self._last + self._every:
                self._print(str(self._phase))

    def beat(self) -> None:
        """Print the phase and its clock if nothing was printed for long."""
        with self._lock:
            if (said := str(self._phase)) and time.monotonic() >= self._last + self._silence:
                self._print(said)

    def end(self) -> None:
        """End the phase: it is not printed again."""
        self._phase.end()

    def _print(self, text: str) -> None:
        self._last = time.monotonic()
        self._write(text)


@contextmanager
def beating(progress: PlainProgress) -> Iterator[None]:
    """Let the progress print now and then, also during a phase without messages."""
    stopped = threading.Event()

    def beat() -> None:
        while not stopped.wait(1.0):
            progress.beat()

    thread = threading.Thread(target=beat, name="umd-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
