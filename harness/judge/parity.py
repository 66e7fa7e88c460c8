# SPDX-License-Identifier: GPL-2.0-only
"""Parity: does the isolated handler fare worse than a kernel thread under any attack (R16)?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from harness.model.cell import Cell
from harness.model.verdict import Axes, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from harness.judge.result import Result

SUBJECT, REFERENCE = "isolated", "kthread"


def parities(results: Iterable[Result]) -> Iterator[tuple[Cell, tuple[str, ...] | None]]:
    """Yield each attack from outside on the subject, with the axes on which it fares worse.

    A step counts as one of them. None where parity is not shown: an error, or the reference was
    not run. An n/a, which always has its reason, means that there is nothing to lose.
    """
    by_cell = {result.cell: result for result in results}
    for cell, result in by_cell.items():
        scenario = result.scenario
        if cell.variant == SUBJECT and not (scenario.inside or scenario.is_reference):
            yield cell, _worse(cell, by_cell)


def _worse(cell: Cell, results: Mapping[Cell, Result]) -> tuple[str, ...] | None:
    other = results.get(Cell(cell.line, REFERENCE, cell.scenario))
    mine, theirs = _lost(results[cell]), _lost(other) if other else None
    if mine is None or theirs is None:
        return None
    return tuple(what for what, lost in mine.items() if lost and not theirs[what])


def _lost(result: Result) -> dict[str, bool] | None:
    axes = Axes() if result.verdict is Verdict.NOT_APPLICABLE else result.axes
    return {**asdict(axes), "a step": bool(result.gained)} if axes else None
