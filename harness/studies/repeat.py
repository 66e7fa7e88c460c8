# SPDX-License-Identifier: GPL-2.0-only
"""Repeated runs of the same cells: evidence counts only if every run gives the same verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.judge.expectations import half_done
from harness.model.verdict import Verdict
from harness.run.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.model.cell import Cell
    from harness.run.cell_runner import CellRunner
    from harness.scenarios.corpus import Corpus


@dataclass
class RepeatedVerdicts:
    """The verdicts of a cell, the number of each, and the first detail of each.

    `half` counts the runs that lost by a partial attack.
    """

    cell: Cell
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    details: dict[Verdict, str] = field(default_factory=dict)
    half: int = 0

    @property
    def steady(self) -> bool:
        """Whether every run came to the same conclusion."""
        same = len(self.verdicts) == 1 and Verdict.ERROR not in self.verdicts
        return same and self.half in (0, self.verdicts.total())

    def __str__(self) -> str:
        """Return the line that `repeat` prints."""
        if self.steady:
            [(verdict, times)] = self.verdicts.items()
            return f"{self.cell.id}: {times} x {verdict}"
        found = [
            f"{times} x {verdict} ({self.details[verdict]})"
            for verdict, times in self.verdicts.most_common()
        ]
        if self.half:
            found.append(f"{self.half} x a partial attack")
        return f"{self.cell.id}: NOT STEADY: {', '.join(found)}"


def repeat(
    lab: CellRunner,
    cells: Sequence[Cell],
    *,
    corpus: Corpus,
    times: int,
    jobs: int,
    progress: Callable[[str], None],
) -> list[RepeatedVerdicts]:
    """Run all cells `times` times in turn, `jobs` at once. Raises UserError."""
    repeated = {cell: RepeatedVerdicts(cell) for cell in cells}
    again = [cell for _ in range(times) for cell in cells]
    pool = Pool(again, corpus=corpus, lab=lab, jobs=jobs, rounds=1)
    for done, event in enumerate(pool.ended(), start=1):
        cell, outcome = event.cell, event.outcome
        verdicts = repeated[cell]
        verdicts.verdicts[outcome.verdict] += 1
        verdicts.details.setdefault(outcome.verdict, outcome.detail)
        verdicts.half += bool(half_done(corpus.scenario(cell), outcome))
        progress(f"{done} of {times * len(cells)}: {cell.id} {outcome.verdict}")
    return list(repeated.values())
