# SPDX-License-Identifier: GPL-2.0-only
"""Whether the guest's heart beats, by the host's clock: a machine that stands still proves nothing.

A host that is busy, or a QEMU that was stopped, makes replies late without any attack.
"""

from __future__ import annotations

from harness.host.errors import WrongClock

BEAT_SECONDS = 0.01
"""A heartbeat's period; beats that are late are not made up for (heartbeat() of the witness)."""

HASTE = 1.25
"""How many times the beats that were due may have come: a looser bound than any sound clock's."""

LATENESS = 0.2
"""The share of beats that may be missing: ten machines on two cores without KVM lost 0.1."""


def check_clock(beats: int, *, seconds: float) -> None:
    """Raise WrongClock if so many beats in so many of the host's seconds are too many.

    A kernel measures its clock while it boots, and on a busy host may measure nonsense: every
    time that it takes would then be wrong.
    """
    if beats * BEAT_SECONDS > HASTE * seconds + 10 * BEAT_SECONDS:
        raise WrongClock(f"the guest's clock runs wild: {beats} beats in {seconds:.2f} s")


class HeartbeatTracker:
    """Takes the heartbeat's count each time that the host stops the machine to look.

    `stalled` is the longest that the machine ran without beats that were due, in seconds;
    `still` is how long it has been running since the last beat that was seen.
    """

    def __init__(self) -> None:
        self.stalled = 0.0
        self.still = 0.0
        self._seen: tuple[int, float] | None = None

    def note(self, count: int, *, stopped: float, resumed: float) -> None:
        """Note the count, and when the machine was stopped and resumed (monotonic seconds)."""
        if self._seen is not None:
            before, since = self._seen
            ran = stopped - since
            late = ran - (count - before) * BEAT_SECONDS
            # Before its first beat it has not stopped: the kernel is still booting.
            self.still = self.still + ran if 0 < count == before else 0.0
            if late > ran * LATENESS:
                self.stalled = max(self.stalled, late, self.still)
        self._seen = count, resumed
