# SPDX-License-Identifier: GPL-2.0-only
"""The cost of isolation: from the times of round trips to a ratio, its interval, and a word."""

from __future__ import annotations

import random
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import comb
from typing import TYPE_CHECKING

import msgspec
import pytest
from scripted_lab import ScriptedLab

from harness.host.errors import UserError, VmLost
from harness.lab.trip_clock import durations
from harness.studies.round_trip import (
    FEWEST,
    LIMIT,
    WARM_TRIPS,
    Pair,
    RoundTrip,
    calm,
    round_trip,
    sign_interval,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TRACE = b"""\
# tracer: nop
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
      round_trip-61      [000] .....     9.999990: sent: (umd_mgmt_send_recv+0x0/0x90)
      round_trip-61      [000] .....    10.000190: received: (selftest_write+0x1 <- umd_mgmt)
   umd_witness-12        [000] .....    10.000200: sent: (umd_mgmt_send_recv+0x0/0x90)
      round_trip-61      [000] .....    10.000300: sent: (umd_mgmt_send_recv+0x0/0x90)
      round_trip-61      [000] .....    10.000470: received: (selftest_write+0x1 <- umd_mgmt)
"""


TICKS = b"""\
      round_trip-61      [000] ..... 37021000017: sent: (umd_mgmt_send_recv+0x0/0x90)
      round_trip-61      [000] ..... 37021122024: received: (selftest_write+0x1 <- umd_mgmt)
"""


def trips(us: int, *, noise: float = 0.0, seed: int = 0, count: int = 400) -> tuple[int, ...]:
    """Trips of `us` microseconds, to half of which a busy host adds up to `noise` times that."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    return tuple(
        us + chance.randrange(4) + int(max(0.0, chance.uniform(-noise, noise)) * us)
        for _ in range(count)
    )


def pairs(*ratios: float) -> RoundTrip:
    return RoundTrip(tuple(Pair((1000,) * 20, (round(1000 * ratio),) * 20) for ratio in ratios))


@dataclass
class Turns(ScriptedLab):
    """Notes who made how many trips, and can fail in it."""

    made: list[tuple[str, int]] = field(default_factory=list)
    error: Exception | None = None

    @contextmanager
    def trip_clock(
        self, variant: str, *, counts: bool = False
    ) -> Iterator[Callable[[int], list[int]]]:
        assert not counts

        def make(trips: int) -> list[int]:
            self.made.append((variant, trips))
            if self.error:
                raise self.error
            return [self.isolated_us if variant == "isolated" else 200] * trips

        yield make


def test_what_a_trace_tells() -> None:
    assert durations(TRACE) == [200, 170]


def test_a_trace_may_show_ticks() -> None:
    assert durations(TICKS) == [122_007]


def test_half_a_trip_in_a_trace_is_none() -> None:
    lines = TRACE.splitlines(keepends=True)
    assert durations(b"".join(lines[3:])) == [170]
    assert durations(b"".join(lines[:-1])) == [200]
    assert durations(b"") == []


def test_a_busy_host_does_not_hide_or_feign_a_cost() -> None:
    calm_pair = Pair(trips(200), trips(210))
    busy = Pair(trips(200), trips(210, noise=3.0, seed=1))
    assert abs(busy.ratio - calm_pair.ratio) < 0.01
    assert calm(trips(200, noise=3.0)) < 202


def test_a_clock_that_shows_no_time_for_a_trip_is_an_error() -> None:
    with pytest.raises(UserError, match="too coarse to time a trip"):
        calm([0] * 15 + [4000] * 5)


def test_the_interval_by_hand() -> None:
    """Of six, only the whole range has 95 %; of nine, one value at either end can go."""
    assert sign_interval([6, 1, 5, 2, 4, 3]) == (1, 6)
    assert sign_interval([9, 1, 8, 2, 7, 3, 6, 4, 5]) == (2, 8)
    assert sign_interval(range(1, 16)) == (4, 12)


@pytest.mark.parametrize("count", range(FEWEST, 40))
def test_the_interval_is_the_narrowest_that_has_the_confidence(count: int) -> None:
    low, high = sign_interval(range(1, count + 1))
    assert low + high == count + 1

    def has(cut: int) -> float:
        beyond: int = sum(comb(count, i) for i in range(cut))
        return 1 - 2 * beyond / 2.0**count

    assert has(int(low)) >= 0.95 > has(int(low) + 1)


def test_too_few_values_have_no_interval() -> None:
    with pytest.raises(ValueError, match="5 values are too few"):
        sign_interval([1.0] * (FEWEST - 1))


@pytest.mark.parametrize(
    ("ratios", "within", "said"),
    [
        ([1.01, 1.02, 1.03, 1.02, 1.04, 1.1], True, "within 1.10"),
        ([1.02, 1.02, 1.03, 1.02, 1.04, 1.2], None, "not decided against 1.10: take more -n"),
        ([1.11, 1.12, 1.13, 1.14, 1.12, 1.2], False, "MORE than 1.10"),
    ],
)
def test_only_an_interval_on_one_side_decides(
    ratios: list[float], within: bool | None, said: str
) -> None:
    found = pairs(*ratios)
    assert found.is_within is within
    assert said in str(found)
    assert found.figures().is_within is within
    assert LIMIT == 1.10


def test_one_strange_machine_among_many_changes_little() -> None:
    found = pairs(*[1.02] * 6, *[1.03] * 8, 7.0)
    assert found.ratio == 1.03
    assert found.interval == (1.02, 1.03)


def test_the_line_that_is_printed() -> None:
    found = RoundTrip((Pair((200,) * 40, (206,) * 40),) * 6)
    assert " ".join(str(found).split()) == (
        "round trip of 4 KiB isolated 206 us baseline 200 us ratio 1.030 (1.030 to 1.030), "
        "within 1.10 6 pairs of machines, 40 trips each; first deciles; by medians "
        "1.030, 1.030 to 1.030"
    )


def test_the_figures_to_keep() -> None:
    figures = RoundTrip((Pair((200,) * 40, (206,) * 30 + (300,) * 10),) * 6).figures()
    kept = msgspec.to_builtins(figures)
    one = kept.pop("pairs")[0]
    assert kept == {
        "bytes": 4096,
        "baseline_us": 200,
        "isolated_us": 206,
        "ratio": 1.03,
        "ratio_low": 1.03,
        "ratio_high": 1.03,
        "confidence": 0.95,
        "limit": 1.10,
        "is_within": True,
        "ratio_of_medians": 1.03,
        "ratio_of_medians_low": 1.03,
        "ratio_of_medians_high": 1.03,
        "trips_per_machine": 40,
    }
    assert one == {
        "baseline_us": 200,
        "isolated_us": 206,
        "baseline_median_us": 200,
        "isolated_median_us": 206,
        "ratio": 1.03,
        "ratio_of_medians": 1.03,
    }


def test_the_machines_of_a_pair_take_turns_and_warm_up() -> None:
    lab = Turns()
    found = round_trip(lab, pairs=6, turns=2, trips=50, progress=lambda _: None)
    b, i = "baseline", "isolated"
    warm = [(b, WARM_TRIPS), (i, WARM_TRIPS)]
    assert lab.made == [*warm, (b, 50), (i, 50), (i, 50), (b, 50)] * 6
    assert [len(pair.isolated) for pair in found.pairs] == [100] * 6


@pytest.mark.parametrize(
    "error",
    [VmLost("QEMU is gone"), ChildProcessError("QEMU is gone")],
    ids=["machine", "payload"],
)
def test_a_machine_that_fails_is_no_traceback(error: Exception) -> None:
    with pytest.raises(UserError, match="no round trips could be timed: QEMU is gone; see"):
        round_trip(Turns(error=error), pairs=6, progress=lambda _: None)


def test_too_few_pairs_are_refused_before_any_trip() -> None:
    lab = Turns()
    with pytest.raises(UserError, match="5 pairs of machines are too few; take -n 6"):
        round_trip(lab, pairs=5, progress=lambda _: None)
    assert not lab.made
