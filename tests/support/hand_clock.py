# SPDX-License-Identifier: GPL-2.0-only
"""A clock that a test sets by hand, in the place of a module's `time`."""

from __future__ import annotations


class HandClock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        """Begin at 1000 s."""
        self.now = 1000.0

    def sleep(self, seconds: float) -> None:
        """Let these seconds pass at once."""
        self.now += seconds

    def monotonic(self) -> float:
        """Return the seconds that the test has set."""
        return self.now
