# SPDX-License-Identifier: GPL-2.0-only
"""Whether the handler became slow, by its replies' times before the attack and since."""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.witness.tally import Tally

SLOW_NS = 1_000_000_000
"""A reply later than this is a disruption: half the test configuration's deadline, and over a
hundred times what a reply takes without KVM."""

MEDIAN_TIMES, P95_TIMES = 5, 10
"""How many times what it was before makes the median, or the 95th percentile, a disruption."""

MEDIAN_FLOOR_NS, P95_FLOOR_NS = 1_000_000, 10_000_000
"""What these are taken to be at least: a busy host alone delays some by a tick, and few by ten."""

ENOUGH = 16
"""Replies on either side; with fewer, chance decides."""


def slowed(before: Tally, after: Tally) -> str:
    """Say how slow the handler became, by the measures of architecture.md; empty if it did not."""
    if after.slowest > max(SLOW_NS, before.slowest):
        return f"slowed to {after.slowest / 1e9:.1f} s"
    earlier, later = _times(before), _times(after, since=_last(before))
    if min(len(earlier), len(later)) < ENOUGH:
        return ""
    was, now = max(MEDIAN_FLOOR_NS, median(earlier)), median(later)
    if now > MEDIAN_TIMES * was:
        return f"slowed from {_ms(was)} to {_ms(now)} at the median"
    was, now = max(P95_FLOOR_NS, _p95(earlier)), _p95(later)
    if now > P95_TIMES * was:
        return f"slowed from {_ms(was)} to {_ms(now)} at the 95th percentile"
    return ""


def _times(tally: Tally, *, since: int = 0) -> list[int]:
    """Nanoseconds of the witness's requests after number `since`, answered and not with a start."""
    kept = sorted((r for r in tally.records if r.number > since), key=lambda r: r.number)
    return [
        record.nanoseconds
        for previous, record in pairwise(kept)
        if not record.error and record.generation == previous.generation and record.nanoseconds
    ]


def _last(tally: Tally) -> int:
    return max((record.number for record in tally.records), default=0)


def _p95(times: Sequence[int]) -> float:
    return sorted(times)[int(0.95 * len(times))]


def _ms(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e6:.2f} ms"
