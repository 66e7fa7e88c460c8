# SPDX-License-Identifier: GPL-2.0-only
"""What each defence costs a round trip: `isolated`, compared with `isolated` without it.

Trips are counted in instructions, because the times of two machines differ by more than any defence
costs. Caches and branches are not in such a count.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from harness.host.errors import UserError, VmLost
from harness.host.pace import Pace
from harness.studies.round_trip import ISOLATED, WARM_TRIPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from harness.run.cell_runner import TripTimer

TRIPS = 400
"""Trips of each machine that are counted."""

ALL = ""
"""Stands for all defences where a name of a defence that is left out is expected."""

MACHINES = 6
"""Machines with all defences. Their differences tell a cost from noise."""


def what_each_costs(
    lab: TripTimer,
    without: Mapping[str, TripTimer],
    *,
    known: int = 0,
    progress: Callable[[str], None],
) -> Iterator[tuple[str, int]]:
    """Yield a defence or `ALL`, and the instructions of the middle trip without that defence.

    `known` machines with all defences were counted before. Raises UserError for a machine that was
    lost or does as it should not.
    """
    machines = [*[(ALL, lab)] * (MACHINES - known), *without.items()]
    pace = Pace(len(machines))
    for number, (name, timer) in enumerate(machines):
        progress(f"round trips: {pace.at(number)}, {f'without {name}' if name else 'all defences'}")
        yield name, _instructions(timer)


def _instructions(timer: TripTimer) -> int:
    try:
        with timer.trip_clock(ISOLATED, counts=True) as make:
            make(WARM_TRIPS)
            return round(median(make(TRIPS)))
    except (VmLost, OSError) as error:
        raise UserError(
            f"no round trips could be counted: {error}",
            hint="see whether the handlers answer: umd-harness run -k nothing",
        ) from error
