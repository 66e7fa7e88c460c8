# SPDX-License-Identifier: GPL-2.0-only
"""Parity: does the isolated handler fare worse than a kernel thread under any attack (R16)?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from harness.cell import Cell
from harness.scenarios import REFERENCES, SCENARIOS
from harness.witness.verdict import Axes, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from harness.conclusion import Result

SUBJECT, REFERENCE = "isolated", "kthread"


def parities(results: Iterable[Result]) -> Iterator[tuple[Cell, tuple[str, ...] | None]]:
    """Yield each attack from outside on the subject, with the axes on which it fares worse.

    None where parity is not shown: an error, or the reference was not run. An n/a of the
    reference, which always has its reason, means that a thread has nothing to lose there.
    """
    by_cell = {result.cell: result for result in results}
    for cell in by_cell:
        scenario = SCENARIOS[cell.scenario]
        if cell.variant == SUBJECT and not (scenario.inside or cell.scenario in REFERENCES):
            yield cell, _worse(cell, by_cell)


def _worse(cell: Cell, results: Mapping[Cell, Result]) -> tuple[str, ...] | None:
    other = results.get(Cell(cell.line, REFERENCE, cell.scenario))
    mine = results[cell].axes
    if other is None or mine is None:
        return None
    theirs = Axes() if other.verdict is Verdict.NOT_APPLICABLE else other.axes
    if theirs is None:
        return None
    spared = asdict(theirs)
    return tuple(axis for axis, lost in asdict(mine).items() if lost and not spared[axis])
