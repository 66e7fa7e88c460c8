# SPDX-License-Identifier: GPL-2.0-only
"""Whether the handler became slow: its reply times before the attack and since."""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from harness.witness.layout import RECORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.witness.tally import Record, Tally

SLOW_NS = 1_000_000_000
"""A reply that took longer is a disruption. The limit is half the deadline of the test
configuration, and over a hundred times the reply time without KVM."""

MEDIAN_TIMES, P95_TIMES = 5, 10
"""The factors by which the median and the 95th percentile may grow; more is a disruption."""

MEDIAN_FLOOR_NS, P95_FLOOR_NS = 1_000_000, 10_000_000
"""Lower bounds of the earlier median and percentile. A busy host alone delays some replies by a
timer tick, and a few by ten."""

ENOUGH = 16
"""Replies needed before and after; with fewer, chance would decide."""


def slowed(before: Tally, after: Tally, seen: Iterable[Record] = (), *, delay: float = 1.0) -> str:
    """Return how slow the handler became, as text; empty if it is within the limits above.

    The limits are `delay` times as wide, if the host alone may have delayed all replies so much.
    That of the longest reply is so only where no reply of a running handler was as late: a start of
    a handler, and a wait for the lock that a start or an end keeps, are work of the CPU. `seen` are
    records of earlier reads. If others have asked, a tally may have few of the witness's own
    requests.
    """
    last = max((record.number for record in before.records), default=0)
    records = {r.number: r for r in (*seen, *before.records, *after.records) if r.number}
    earlier = _times(record for record in records.values() if record.number <= last)
    later = _times(record for record in records.values() if record.number > last)
    limit = SLOW_NS if max(later, default=0) > SLOW_NS else SLOW_NS * delay
    if after.slowest > max(limit, before.slowest):
        return f"slowed to {after.slowest / 1e9:.1f} s"
    earlier, later = earlier[-RECORDS:], later[-RECORDS:]
    if min(len(earlier), len(later)) < ENOUGH:
        return ""
    was, now = max(MEDIAN_FLOOR_NS, median(earlier)), median(later)
    if now > MEDIAN_TIMES * was * delay:
        return f"slowed from {_ms(was)} to {_ms(now)} at the median"
    was, now = max(P95_FLOOR_NS, _p95(earlier)), _p95(later)
    if now > P95_TIMES * was * delay:
        return f"slowed from {_ms(was)} to {_ms(now)} at the 95th percentile"
    return ""


def _times(records: Iterable[Record]) -> list[int]:
    """Return the reply times, in ns, of the witness's own requests.

    Requests that failed, or that had to start a handler, are left out.
    """
    kept = sorted(records, key=lambda record: record.number)
    return [
        record.nanoseconds
        for previous, record in pairwise(kept)
        if not record.error and record.generation == previous.generation and record.nanoseconds
    ]


def _p95(times: Sequence[int]) -> float:
    return sorted(times)[int(0.95 * len(times))]


def _ms(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e6:.2f} ms"
