# SPDX-License-Identifier: GPL-2.0-only
"""The signals that stop a run: the first lets its running cells end, the second kills them."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.host.end_signals import end_signals_handled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from harness.run.pool import CellPool


class StopSignals:
    """Receives SIGINT, SIGTERM and SIGHUP."""

    def __init__(self) -> None:
        """No signal has come."""
        self.number = 0
        """The first signal that has come; 0 if none has."""

    @property
    def name(self) -> str | None:
        """The name of the first signal that has come, such as `SIGINT`."""
        return signal.Signals(self.number).name if self.number else None

    @contextmanager
    def stopping(self, pool: CellPool) -> Iterator[None]:
        """Let the first signal stop the pool and the second kill its cells, in the block.

        No signal raises an exception: it could arrive before an outcome is on disk. Further
        signals ask for the same as the second.
        """

        def stop(number: int, _frame: FrameType | None) -> None:
            if not self.number:
                self.number = number
                pool.stop()
            else:
                pool.kill()

        with end_signals_handled(stop):
            yield
