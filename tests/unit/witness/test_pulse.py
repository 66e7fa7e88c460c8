# SPDX-License-Identifier: GPL-2.0-only
"""A machine that stands still is told from one that merely runs slowly."""

from __future__ import annotations

import pytest

from harness.host.errors import WrongClock
from harness.witness.pulse import BEAT_SECONDS, Pulse, check_clock


def looked_at(*seen: tuple[float, float]) -> Pulse:
    """A pulse after (seconds that the machine ran, share of the beats that came)."""
    pulse, now, beats = Pulse(), 1000.0, 50.0
    pulse.note(int(beats), stopped=now, resumed=now + 0.5)
    for ran, share in seen:
        stopped = now + 0.5 + ran
        beats += share * ran / BEAT_SECONDS
        pulse.note(int(beats), stopped=stopped, resumed=stopped + 0.5)
        now = stopped
    return pulse


def test_the_first_look_says_nothing() -> None:
    assert (looked_at().stalled, looked_at().still) == (0.0, 0.0)


@pytest.mark.parametrize("share", [1.0, 0.9, 1.2])
def test_a_beating_heart_is_no_stall(share: float) -> None:
    """Nor are the half seconds for which the host itself stopped the machine."""
    pulse = looked_at(*[(0.3, share)] * 200, (60.0, share))
    assert pulse.stalled < 0.05


def test_a_gap_in_the_beats_is_a_stall() -> None:
    """1.2 of 1.4 seconds, seen at once as a stopped QEMU answers again."""
    assert looked_at((0.02, 1), (1.4, 0.2 / 1.4), (0.02, 1)).stalled == pytest.approx(1.2, abs=0.02)


def test_a_heart_that_stopped_is_seen_however_often_one_looks() -> None:
    pulse = looked_at((1.0, 1), *[(0.02, 0)] * 300)
    assert pulse.still == pytest.approx(6.0)
    assert pulse.stalled == pytest.approx(6.0)


def test_a_heart_that_beats_again_has_not_stopped_but_stood_still() -> None:
    pulse = looked_at(*[(0.02, 0)] * 100, (0.1, 1))
    assert pulse.still == 0
    assert pulse.stalled == pytest.approx(2.0)


def test_a_heart_that_has_not_begun_has_not_stopped() -> None:
    pulse = Pulse()
    for second in range(20):
        pulse.note(0, stopped=second + 0.5, resumed=second + 0.5)
    assert pulse.still == 0
    for second in range(20, 30):
        pulse.note(1, stopped=second + 0.5, resumed=second + 0.5)
    assert pulse.still == 9


@pytest.mark.parametrize("beats", [0, 40, 90, 120])
def test_a_clock_that_is_right_or_slow_will_do(beats: int) -> None:
    check_clock(beats, seconds=1.0)


def test_a_clock_that_runs_wild_is_told() -> None:
    with pytest.raises(WrongClock, match=r"1000 beats in 1\.00 s"):
        check_clock(1000, seconds=1.0)
