# SPDX-License-Identifier: GPL-2.0-only
"""The time of a cell from a saved state, compared with its time from a boot, in one run."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.host.pace import Pace
from harness.model.cell import Cell
from harness.model.verdict import Verdict
from harness.report.text import visible
from harness.results.bench_figures import CellFigures
from harness.studies.cut_short import CutShort

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.run.cell_runner import CellRunner

CELLS = (("baseline", "nothing"), ("isolated", "proc_mem_write"), ("kthread", "nothing"))
"""Variant and scenario of the cells that are timed: two without an attack, one with an attack."""

REPEAT = FEWEST = 7
"""The fewest timings of each kind. Fewer give no useful median."""


@dataclass(frozen=True)
class CellTimes:
    """Wall times of one cell, in seconds, from the machine's start to its end."""

    name: str
    saved: tuple[float, ...]
    fresh: tuple[float, ...]

    @property
    def saved_median(self) -> float:
        """The median from the saved state, in seconds."""
        return statistics.median(self.saved)

    @property
    def fresh_median(self) -> float:
        """The median of a boot and the same run, in seconds."""
        return statistics.median(self.fresh)

    @property
    def ratio(self) -> float:
        """The median from the saved state, divided by the median of boot-plus-run."""
        return self.saved_median / self.fresh_median

    def figures(self) -> CellFigures:
        """Return the cell's entry in the figures file."""
        return CellFigures(
            name=self.name,
            saved_seconds=self.saved,
            fresh_seconds=self.fresh,
            ratio=self.ratio,
        )

    def __str__(self) -> str:
        """Return the line that `bench` prints."""
        return (
            f"{self.name:<32} saved state {self.saved_median:.3f} s  "
            f"boot-plus-run {self.fresh_median:.3f} s  ratio {self.ratio:.3f}  "
            f"(medians of {len(self.saved)}; {_range(self.saved)} and {_range(self.fresh)})"
        )


def bench(
    lab: CellRunner, *, line: str, repeat: int, progress: Callable[[str], None]
) -> list[CellTimes]:
    """Time each cell `repeat` times both ways, alternating. The last entry is for all cells.

    Raises UserError for too few measurements, and for a cell that ends in an `error`, because its
    time would be too short: CutShort if other cells were timed before.
    """
    check_repeat(repeat)
    measured: list[CellTimes] = []
    pace, done = Pace(len(CELLS) * repeat), count()
    for variant, scenario in CELLS:
        cell = Cell(line, variant, scenario)
        saved, fresh = [], []
        try:
            progress(f"bench: making the saved state of {cell.id}")
            _seconds(lab, cell, fresh=False)
            for _ in range(repeat):
                progress(f"bench: cells {pace.at(next(done))}, {cell.id}")
                saved.append(_seconds(lab, cell, fresh=False))
                fresh.append(_seconds(lab, cell, fresh=True))
        except UserError as error:
            told = f"the round trips, and {len(measured)} of {len(CELLS)} cells"
            raise CutShort(error, measured, measured=told) from error
        measured.append(CellTimes(cell.id, tuple(saved), tuple(fresh)))
    every = CellTimes(
        "all cells",
        tuple(second for one in measured for second in one.saved),
        tuple(second for one in measured for second in one.fresh),
    )
    return [*measured, every]


def check_repeat(repeat: int) -> None:
    """Raise UserError for too few measurements."""
    if repeat < FEWEST:
        raise UserError(f"{repeat} measurements are too few", hint=f"take -n {FEWEST} or more")


def _seconds(lab: CellRunner, cell: Cell, *, fresh: bool) -> float:
    outcome = lab.run(cell, fresh=fresh)
    if outcome.verdict is Verdict.ERROR:
        raise UserError(
            f"{cell.id} ended in an error: {visible(outcome.detail)}",
            hint=f"see why: umd-harness run --variant {cell.variant} -k {cell.scenario}",
        )
    return outcome.seconds


def _range(seconds: tuple[float, ...]) -> str:
    return f"{min(seconds):.3f} to {max(seconds):.3f}"
