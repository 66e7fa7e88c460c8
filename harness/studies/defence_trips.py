# SPDX-License-Identifier: GPL-2.0-only
"""What each defence costs a round trip: `isolated`, compared with `isolated` without it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness.host.pace import Pace
from harness.studies.round_trip import FEWEST, ISOLATED, RoundTrip, time_pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.run.cell_runner import TripTimer

PAIRS = FEWEST
"""Pairs of machines for each defence."""

TURNS = 4
"""Turns of each machine: most of a pair's time is its start."""


def what_each_costs(
    lab: TripTimer,
    lab_without: Callable[[str], TripTimer],
    defences: Sequence[str],
    *,
    pairs: int = PAIRS,
    progress: Callable[[str], None],
) -> Iterator[tuple[str, RoundTrip]]:
    """Yield each defence and its comparison: in a pair, `baseline` is the machine without it.

    Raises UserError for a machine that was lost or does as it should not.
    """
    pace = Pace(len(defences) * pairs)
    for place, defence in enumerate(defences):
        clocks = (
            partial(lab_without(defence).trip_clock, ISOLATED),
            partial(lab.trip_clock, ISOLATED),
        )
        measured = []
        for number in range(pairs):
            progress(f"round trips: {pace.at(place * pairs + number)}, without {defence}")
            measured.append(time_pair(*clocks, turns=TURNS))
        yield defence, RoundTrip(tuple(measured))
