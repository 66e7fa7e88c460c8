# SPDX-License-Identifier: GPL-2.0-only
"""Repeated runs of the same cells: evidence counts only if every run gives the same verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.host.pace import Pace
from harness.judge.controls import closure
from harness.judge.expectations import half_done
from harness.model.verdict import Verdict
from harness.run.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from harness.model.cell import Cell, Outcome
    from harness.run.cell_runner import CellRunner
    from harness.run.pool import Ended
    from harness.scenarios.corpus import Corpus
    from harness.studies.repetitions import Repetitions


@dataclass
class RepeatedVerdicts:
    """The verdicts of a cell, the number of each, and the first detail of each.

    `half` counts the runs that lost by a partial attack.
    """

    cell: Cell
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    details: dict[Verdict, str] = field(default_factory=dict)
    half: int = 0

    def add(self, outcome: Outcome, *, half: bool) -> None:
        """Count an outcome."""
        self.verdicts[outcome.verdict] += 1
        self.details.setdefault(outcome.verdict, outcome.detail)
        self.half += half

    @property
    def steady(self) -> bool:
        """Whether every run came to the same conclusion."""
        same = len(self.verdicts) == 1 and Verdict.ERROR not in self.verdicts
        return same and self.half in (0, self.verdicts.total())

    def __str__(self) -> str:
        """Return the line that `repeat` prints."""
        if not self.verdicts:
            return f"{self.cell.id}: not run"
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
    counts: Mapping[Cell, RepeatedVerdicts],
    *,
    corpus: Corpus,
    times: int,
    jobs: int,
    progress: Callable[[str], None],
    kept: Repetitions,
) -> None:
    """Run all cells of `counts` `times` times in turn, `jobs` at once. Raises UserError.

    The controls and reference cells that are not among them run before, once each. `counts` and
    `kept` have all that ended, also if the study is interrupted.
    """
    around = [cell for cell in closure(corpus, counts) if cell not in counts]
    pace = Pace(len(around))
    for done, event in _ended(Pool(around, corpus=corpus, lab=lab, jobs=jobs)):
        kept.share(event.cell, event.outcome)
        progress(f"controls and references: {pace.at(done)}")
    again = [cell for _ in range(times) for cell in counts]
    pace = Pace(len(again))
    for done, event in _ended(Pool(again, corpus=corpus, lab=lab, jobs=jobs, rounds=1)):
        cell, outcome = event.cell, event.outcome
        half = bool(half_done(corpus.scenario(cell), outcome))
        counts[cell].add(outcome, half=half)
        kept.add(cell, outcome)
        progress(f"repeat: {pace.at(done)}, {cell.id} {outcome.verdict}")


def _ended(pool: Pool) -> Iterator[tuple[int, Ended]]:
    """Yield the cells that end, with their number; kill the others if the caller stops."""
    try:
        yield from enumerate(pool.ended(), start=1)
    except BaseException:
        pool.abandon()
        raise
