# SPDX-License-Identifier: GPL-2.0-only
"""A machine that stood still is distinguished from one that runs slowly."""

from __future__ import annotations

import pytest

from harness.host.errors import WrongClock
from harness.vm.cpu_use import CpuUse
from harness.witness.heartbeat import BEAT_SECONDS, HeartbeatTracker, check_clock


def looked_at(
    *seen: tuple[float, float], worked: float = 0.1, waited: float = 0.0
) -> HeartbeatTracker:
    """A tracker after looks at (seconds that the machine ran, share of the beats that came).

    QEMU worked, and waited for a CPU, for these shares of the time.
    """
    tracker, now, beats, use = HeartbeatTracker(), 1000.0, 50.0, CpuUse(7.0, 8.0)
    tracker.note(int(beats), stopped=now, resumed=now + 0.5, use=use)
    for ran, share in seen:
        stopped = now + 0.5 + ran
        beats += share * ran / BEAT_SECONDS
        use += CpuUse(worked * ran, waited * ran)
        tracker.note(int(beats), stopped=stopped, resumed=stopped + 0.5, use=use)
        now = stopped
    return tracker


@pytest.mark.parametrize("gap", [[(2.0, 0.01)], [(0.02, 0.0)] * 100], ids=["one look", "many"])
def test_a_guest_that_keeps_its_cpu_busy_stands_still_by_its_own_doing(
    gap: list[tuple[float, float]],
) -> None:
    looks = [(0.3, 1.0), *gap, (0.3, 1.0)]
    assert looked_at(*looks, worked=0.9).stalled < 0.05
    assert looked_at(*looks, worked=0.9, waited=0.2).stalled == pytest.approx(2.0, abs=0.05)
    assert looked_at(*looks, worked=0.4).stalled == pytest.approx(2.0, abs=0.05)


def test_work_before_the_gap_excuses_nothing() -> None:
    tracker = looked_at((10.0, 1.0), worked=1.0)
    tracker.note(1050, stopped=1012.6, resumed=1013.0, use=CpuUse(17.1, 8.0))
    assert tracker.stalled == pytest.approx(1.6)


def test_the_delay_is_what_the_host_adds_to_the_machines_own_work() -> None:
    assert looked_at((2.0, 1.0), (1.0, 1.0), worked=0.2, waited=0.6).delay == pytest.approx(4.0)
    assert looked_at((2.0, 1.0), worked=0.9).delay == pytest.approx(1.0)
    assert looked_at((2.0, 1.0), worked=0.0, waited=0.5).delay == 1.0
    assert looked_at().delay == 1.0


def test_the_first_look_says_nothing() -> None:
    assert (looked_at().stalled, looked_at().still) == (0.0, 0.0)


@pytest.mark.parametrize("share", [1.0, 0.9, 1.2])
def test_a_beating_heart_is_no_stall(share: float) -> None:
    """The half seconds for which the host paused the machine do not count, either."""
    tracker = looked_at(*[(0.3, share)] * 200, (60.0, share))
    assert tracker.stalled < 0.05


def test_a_gap_in_the_beats_is_a_stall() -> None:
    """1.2 of 1.4 seconds, seen in one look when a stopped QEMU continues."""
    assert looked_at((0.02, 1), (1.4, 0.2 / 1.4), (0.02, 1)).stalled == pytest.approx(1.2, abs=0.02)


def test_a_heart_that_stopped_is_seen_however_often_one_looks() -> None:
    tracker = looked_at((1.0, 1), *[(0.02, 0)] * 300)
    assert tracker.still == pytest.approx(6.0)
    assert tracker.stalled == pytest.approx(6.0)


def test_a_heart_that_beats_again_has_not_stopped_but_stood_still() -> None:
    tracker = looked_at(*[(0.02, 0)] * 100, (0.1, 1))
    assert tracker.still == 0
    assert tracker.stalled == pytest.approx(2.0)


def test_a_heart_that_has_not_begun_has_not_stopped() -> None:
    tracker = HeartbeatTracker()
    for second in range(20):
        tracker.note(0, stopped=second + 0.5, resumed=second + 0.5, use=CpuUse())
    assert tracker.still == 0
    for second in range(20, 30):
        tracker.note(1, stopped=second + 0.5, resumed=second + 0.5, use=CpuUse())
    assert tracker.still == 9


@pytest.mark.parametrize("beats", [0, 40, 90, 120])
def test_a_clock_that_is_right_or_slow_will_do(beats: int) -> None:
    check_clock(beats, seconds=1.0)


def test_a_clock_that_runs_wild_is_told() -> None:
    with pytest.raises(WrongClock, match=r"1000 beats in 1\.00 s"):
        check_clock(1000, seconds=1.0)
