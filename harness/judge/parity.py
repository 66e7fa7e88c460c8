# SPDX-License-Identifier: GPL-2.0-only
"""Parity: the attacks by which the isolated handler loses more than a kernel thread (R16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model.cell import Cell
from harness.model.verdict import A_STEP, Axes, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from harness.judge.result import Result

SUBJECT, REFERENCE = "isolated", "kthread"


def parities(results: Iterable[Result]) -> Iterator[tuple[Cell, tuple[str, ...] | None]]:
    """Yield each attack from outside on the subject, with the axes that only the subject lost.

    A gained step counts as an axis. The axes are None if parity cannot be determined: one of the
    cells is an `error` or was not run. In an `n/a` cell, nothing was lost.
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
    return {**vars(axes), A_STEP: bool(result.gained)} if axes else None
