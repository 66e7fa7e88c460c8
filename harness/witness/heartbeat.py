# SPDX-License-Identifier: GPL-2.0-only
"""The guest's heartbeat measured by the host's clock, to detect a machine that stood still.

On a busy host, or while QEMU is stopped, replies are late without any attack. They are no
evidence then.
"""

from __future__ import annotations

from harness.host.errors import WrongClock
from harness.vm.cpu_use import CpuUse

BEAT_SECONDS = 0.01
"""The heartbeat's period. A missed beat is not made up for (heartbeat() of the witness)."""

HASTE = 1.25
"""Largest allowed ratio of counted beats to due beats. A correct clock stays well below it."""

LATENESS = 0.2
"""The share of beats that may be missing. Ten machines on two cores without KVM missed 0.1."""


WORKED = 0.5
"""If QEMU ran for this share of the time without beats, the guest itself kept its CPU busy."""

WAITED = 0.1
"""Unless QEMU waited for a CPU of the host for this share of that time."""


def is_busy(use: CpuUse, seconds: float) -> bool:
    """Whether the guest ran without a beat for so long, by its own doing: with interrupts off."""
    return use.worked > WORKED * seconds and use.waited < WAITED * seconds


def check_clock(beats: int, *, seconds: float) -> None:
    """Raise WrongClock if there were too many `beats` for that many `seconds` of the host's clock.

    The guest's kernel calibrates its clock while it boots. On a busy host it may calibrate
    wrongly, and then all times that it measures are wrong.
    """
    if beats * BEAT_SECONDS > HASTE * seconds + 10 * BEAT_SECONDS:
        raise WrongClock(f"the guest's clock is too fast: {beats} beats in {seconds:.2f} s")


class HeartbeatTracker:
    """Records the heartbeat's count each time that the host pauses the machine."""

    def __init__(self) -> None:
        self.stalled = 0.0
        """The longest time that the machine ran without the beats that were due, in seconds."""
        self.still = 0.0
        """How long the machine has run since the last beat seen, in seconds."""
        self._first: CpuUse | None = None
        self._seen: tuple[int, float, CpuUse] | None = None
        self._use = CpuUse()  # since the last beat seen

    @property
    def waited(self) -> float:
        """How long QEMU has waited for a CPU of the host, in seconds, as of the last note."""
        return self._seen[2].waited if self._seen else 0.0

    @property
    def delay(self) -> float:
        """How many times as long as without other work on the host QEMU has taken, on average.

        That is since the first note: the time that QEMU ran or waited for a CPU, for each second
        that it ran.
        """
        if self._first is None or self._seen is None:
            return 1.0
        use = self._seen[2].since(self._first)
        return (use.worked + use.waited) / use.worked if use.worked else 1.0

    def note(self, count: int, *, stopped: float, resumed: float, use: CpuUse) -> None:
        """Record the count, and when the machine was paused and resumed (monotonic seconds).

        `use` is QEMU's use of the host's CPUs while the machine is paused.
        """
        if self._seen is not None:
            before, since, earlier = self._seen
            ran = stopped - since
            late = ran - (count - before) * BEAT_SECONDS
            self._use += use.since(earlier)
            # A count of 0 is no stopped heartbeat: the kernel is still booting.
            self.still = self.still + ran if 0 < count == before else 0.0
            if late > ran * LATENESS and not is_busy(self._use, max(ran, self.still)):
                self.stalled = max(self.stalled, late, self.still)
            if count != before:
                self._use = CpuUse()
        self._first = self._first or use
        self._seen = count, resumed, use
