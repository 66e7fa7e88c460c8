# SPDX-License-Identifier: GPL-2.0-only
"""How long a night of runs takes on a cluster, by simulation from the seconds of a kept run.

`python -m harness.studies.nightly` prints the table of docs/explanation/nightly.md.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

from harness.results.cell_seconds import seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ATTACKS, VARIANTS = 250, 16
RUNS = 3 * 3 * 4
"""Kernel lines, engines, handlers: each is a run of its own."""
BOOTING_RUNS = 3 * 1 * 4
"""The runs on the engine `virtme`, each of whose cells boots."""
WORKERS, PLACES = 100, 2
BOOT = 15.0  # seconds from the start of a machine to its saved state
KEEP = 0.02  # seconds in which the client keeps a result and gives the worker the next cell
SIZES = (1, 2, 3, 5, 11, 25, 50, 100)
"""Workers of a run."""


@dataclass(frozen=True)
class Row:
    """The seconds of a run on so many workers, and of the whole night."""

    workers: int
    saved: float
    """A run whose cells start from saved states."""
    booting: float
    """A run whose cells boot."""
    night: float
    """All runs, as many side by side as there are workers for."""


def rows(seconds: Mapping[str, float]) -> list[Row]:
    """Return the table. `seconds` has those of a cell of each scenario."""
    found = []
    for workers in SIZES:
        saved = run_seconds(seconds, workers=workers)
        booting = run_seconds(seconds, workers=workers, each=BOOT)
        runs = [booting] * BOOTING_RUNS + [saved] * (RUNS - BOOTING_RUNS)
        night = side_by_side(runs, WORKERS // workers)
        found.append(Row(workers, saved, booting, night))
    return found


def run_seconds(
    seconds: Mapping[str, float], *, workers: int, places: int = PLACES, each: float = 0.0
) -> float:
    """Return the seconds of a run. Each cell boots for `each`; if that is 0, it has a saved state.

    A worker saves the state of a variant when it has the variant's first cell, and further cells of
    the variant wait for that. One client gives out all cells and keeps all results.
    """
    attacks = list(islice(cycle(seconds.values()), ATTACKS))
    cells = [(variant, taken) for taken in attacks for variant in range(VARIANTS)]
    ready: dict[tuple[int, int], float] = {}
    client = 0.0
    free = [(0.0, worker) for _ in range(places) for worker in range(workers)]
    heapq.heapify(free)
    for variant, taken in cells:
        ended, worker = heapq.heappop(free)
        client = max(client, ended) + KEEP
        start = client if each else ready.setdefault((worker, variant), client + BOOT)
        end = max(start, client) + each + taken
        heapq.heappush(free, (end, worker))
    for ended, _ in sorted(free):
        client = max(client, ended) + KEEP
    return client


def side_by_side(runs: Iterable[float], groups: int) -> float:
    """Return the seconds of runs on groups of workers: the longest run first, where one is free."""
    free = [0.0] * groups
    for taken in sorted(runs, reverse=True):
        heapq.heapreplace(free, free[0] + taken)
    return max(free)


def table(found: Sequence[Row]) -> str:
    """Return the rows in Markdown, in minutes."""
    lines = [
        "| workers of a run | run, saved states | run, each cell boots | the night |",
        "| ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row.workers} | {row.saved / 60:.1f} | {row.booting / 60:.1f} | {row.night / 60:.0f} |"
        for row in found
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(rows(seconds_of(None, root=Path()))))  # noqa: T201 - the output of this module
