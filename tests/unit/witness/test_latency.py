# SPDX-License-Identifier: GPL-2.0-only
"""The conditions for a slowed handler: one reply, the median, the 95th percentile."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tallies import AFTER, BEFORE

from harness.witness.latency import ENOUGH, SLOW_NS, slowed
from harness.witness.tally import Record

if TYPE_CHECKING:
    from harness.witness.tally import Tally

MS = 1_000_000


def tally(base: Tally, first: int, *times: int, error: int = 0, generation: int = 1) -> Tally:
    """A tally whose records start at number `first`; the first record is never counted."""
    records = [Record(first, generation, error, False, 0)]
    records += [Record(first + 1 + n, generation, error, False, t) for n, t in enumerate(times)]
    return replace(base, records=tuple(records))


USUAL = tally(BEFORE, 1, *[MS] * 40)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([MS] * 40, ""),
        ([5 * MS] * 40, ""),
        ([6 * MS] * 40, "slowed from 1.00 ms to 6.00 ms at the median"),
        ([MS] * 36 + [100 * MS] * 4, ""),
        ([MS] * 36 + [101 * MS] * 4, "slowed from 10.00 ms to 101.00 ms at the 95th percentile"),
        ([MS] * 39 + [900 * MS], ""),
        ([6 * MS] * (ENOUGH - 1), ""),
        ([6 * MS] * ENOUGH, "slowed from 1.00 ms to 6.00 ms at the median"),
    ],
)
def test_times_are_held_against_those_before(times: list[int], said: str) -> None:
    assert slowed(USUAL, tally(AFTER, 100, *times)) == said


@pytest.mark.parametrize(
    ("times", "enough"), [([6 * MS] * 40, 1.2), ([MS] * 36 + [120 * MS] * 4, 1.2)]
)
def test_a_delay_by_the_host_widens_the_limits(times: list[int], enough: float) -> None:
    after = tally(AFTER, 100, *times)
    assert slowed(USUAL, after, delay=enough - 0.1)
    assert not slowed(USUAL, after, delay=enough)


def test_what_is_short_in_any_case_may_vary() -> None:
    quick = tally(BEFORE, 1, *[MS // 100] * 40)
    assert not slowed(quick, tally(AFTER, 100, *[5 * MS] * 40))
    assert slowed(quick, tally(AFTER, 100, *[5 * MS + 1] * 40))


def test_one_reply_that_is_later_than_half_the_deadline_is_enough() -> None:
    assert slowed(BEFORE, replace(AFTER, slowest=SLOW_NS + 1)) == "slowed to 1.0 s"
    was_so_before = replace(BEFORE, slowest=SLOW_NS + 1)
    assert not slowed(was_so_before, replace(AFTER, slowest=SLOW_NS + 1))


def test_a_busy_host_explains_a_late_start_and_no_late_reply() -> None:
    late = replace(tally(AFTER, 100, *[MS] * 40), slowest=SLOW_NS * 3 // 2)
    assert slowed(USUAL, late, delay=1.4) == "slowed to 1.5 s"
    assert not slowed(USUAL, late, delay=1.5)
    seen = tally(AFTER, 60, *[MS] * 20, SLOW_NS + 1, *[MS] * 19).records
    assert slowed(USUAL, late, seen, delay=9.0) == "slowed to 1.5 s"


def test_what_was_not_answered_or_began_with_a_start_says_nothing() -> None:
    assert not slowed(USUAL, tally(AFTER, 100, *[9 * MS] * 40, error=-110))
    starts = [Record(100 + n, n, 0, False, 9 * MS) for n in range(40)]
    assert not slowed(USUAL, replace(AFTER, records=tuple(starts)))


def test_what_others_asked_says_nothing() -> None:
    """The tally has no times for them; many of them displace the witness's own requests."""
    asked = tally(AFTER, 100, *[0] * 60, *[6 * MS] * 20)
    assert slowed(USUAL, asked) == "slowed from 1.00 ms to 6.00 ms at the median"


def test_what_was_before_the_attack_does_not_count_as_since() -> None:
    """The ring has both, in any order."""
    both = tally(AFTER, 1, *[MS] * 40, *[9 * MS] * 40)
    turned = replace(both, records=both.records[50:] + both.records[:50])
    assert slowed(USUAL, turned) == "slowed from 1.00 ms to 9.00 ms at the median"


def test_requests_of_others_do_not_hide_those_of_the_witness() -> None:
    slow = tally(AFTER, 100, *[6 * MS] * ENOUGH)
    crowded = tally(AFTER, 200, *[0] * 100, 6 * MS)
    assert slowed(USUAL, crowded) == ""
    said = "slowed from 1.00 ms to 6.00 ms at the median"
    assert slowed(USUAL, crowded, slow.records) == said
    usual = tally(BEFORE, 1, *[MS] * 40, *[0] * 30)
    assert slowed(usual, crowded, slow.records) == said
