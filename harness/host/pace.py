# SPDX-License-Identifier: GPL-2.0-only
"""The time that is left of counted work, by its pace so far."""

from __future__ import annotations

import time

_ENOUGH = 0.05  # the part of the work after which its pace tells the time that is left


class Pace:
    """Counts work towards a total that is known beforehand.

    Not thread-safe: several threads that count have a lock, or one thread counts for them.
    """

    def __init__(self, total: int, *, unit: str = "") -> None:
        """Start the clock. The unit, if there is one, stands after the count."""
        self.total = total
        self._unit = f" {unit}" if unit else ""
        self._start = time.monotonic()

    def at(self, done: int) -> str:
        """Return the count, and the time that is left once the pace is known."""
        said = f"{done} of {self.total}{self._unit}"
        left = self.left(done)
        return said if left is None else f"{said}, about {duration(left)} left"

    def left(self, done: int) -> float | None:
        """Return the seconds that are left; None if too little is done to tell, or all is."""
        if done < max(1, _ENOUGH * self.total) or done >= self.total:
            return None
        return (time.monotonic() - self._start) / done * (self.total - done)


def duration(seconds: float) -> str:
    """Return a duration for people: `45 s`, `12 min`, `1 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def clock(seconds: float) -> str:
    """Return the time since a start, as a clock shows it: `0:07`, `12:45`, `1:02:03`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
