# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on `isolated` with a set of its defences left out; each outcome is kept, and not rerun.

    <folder>/<set>/cells/<cell>/    the files of a cell (harness/results/run_directory.py)

A study that is begun again with the same kernel and the same code goes on where it stopped.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.judge.parity import SUBJECT
from harness.model.cell import Cell
from harness.model.verdict import A_STEP, Verdict
from harness.results.run_directory import RunDirectory
from harness.run.pool import Pool
from harness.scenarios import REFERENCES
from harness.studies.defences import DEFENCES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence
    from pathlib import Path

    from harness.model.cell import Outcome
    from harness.run.cell_runner import CellRunner
    from harness.scenarios.corpus import Corpus

ALL = frozenset(DEFENCES)

_TRIES = 3
"""The most runs of a cell without a conclusion, and of a reference cell that is not as it must."""


@dataclass(frozen=True)
class Loss:
    """What an attack took: the names of axes, and `A_STEP`. `error` is why nothing is known."""

    taken: frozenset[str] = frozenset()
    error: str = ""


@dataclass(frozen=True)
class KeptRunner:
    """Runs cells of one machine, unless the folder has their outcome. An `error` is run again."""

    lab: CellRunner
    kept: RunDirectory
    corpus: Corpus

    def run(self, cell: Cell, *, fresh: bool = False) -> Outcome:
        """Return the outcome that was kept, or run the cell and keep it."""
        found = self.kept.outcome(cell)
        if found is not None and found.verdict is not Verdict.ERROR:
            return found
        for _ in range(_TRIES):
            new = self.lab.run(cell, fresh=fresh)
            if new.verdict is not Verdict.ERROR and is_due(self.corpus, cell, new):
                break
        self.kept.keep(cell, new)
        return new


@dataclass
class DefenceSets:
    """Makes attacks on sets of defences."""

    corpus: Corpus
    line: str
    lab_without: Callable[[tuple[str, ...]], CellRunner]
    """Returns the lab of the machines that leave these defences out."""

    folder: Path
    jobs: int
    progress: Callable[[str], None]
    broken: dict[str, str] = field(default_factory=dict)
    """Why there is no conclusion, by the name of the set and the attack."""

    def losses(
        self, on: frozenset[str], names: Sequence[str], *, variant: str = SUBJECT
    ) -> Generator[tuple[str, Loss], None, None]:
        """Yield the loss of each attack, where only these defences are on, as it is known.

        No further attack is made once the caller stops to ask. Another `variant` has no defences.
        Raises UserError.
        """
        what = name_of(on) if variant == SUBJECT else variant
        kept = RunDirectory.create(self.folder, what)
        off = tuple(name for name in DEFENCES if name not in on) if variant == SUBJECT else ()
        runner = KeptRunner(self.lab_without(off), kept, self.corpus)
        cells = [Cell(self.line, variant, name) for name in (*REFERENCES, *names)]
        pool = Pool(cells, corpus=self.corpus, lab=runner, jobs=self.jobs, rounds=1)
        with closing(_ended(pool)) as ended:
            for number, (cell, outcome) in enumerate(ended, start=1):
                self.progress(f"{what}: {number} of {len(cells)}, {cell.scenario}")
                if cell.scenario in REFERENCES:
                    self._check(what, cell, outcome)
                    continue
                loss = _loss(outcome)
                if loss.error:
                    self.broken[f"{what}: {cell.scenario}"] = loss.error
                yield cell.scenario, loss

    def first(
        self, on: frozenset[str], names: Sequence[str], wins: Callable[[str, Loss], bool]
    ) -> str | None:
        """Return an attack that wins where only these defences are on; None if none does."""
        with closing(self.losses(on, names)) as found:
            return next((name for name, loss in found if wins(name, loss)), None)

    def count(self) -> int:
        """Return how many cells have an outcome."""
        return sum(1 for _ in self.folder.glob("*/cells/*/outcome.json"))

    def _check(self, what: str, cell: Cell, outcome: Outcome) -> None:
        if not is_due(self.corpus, cell, outcome):
            due = self.corpus.scenario(cell).wins
            raise UserError(
                f"{what}: the reference cell {cell.scenario} gave {outcome.verdict}, not {due}: "
                f"{outcome.detail}",
                hint=f"remove {self.folder / what}, and run the command again: it goes on",
            )


def is_due(corpus: Corpus, cell: Cell, found: Outcome) -> bool:
    """Whether a reference cell came out as it must. Any outcome of an attack is due."""
    return cell.scenario not in REFERENCES or found.verdict is corpus.scenario(cell).wins


def name_of(on: Iterable[str]) -> str:
    """Return the name of a set of defences: by those that are on or by those that are not."""
    there = [name for name in DEFENCES if name in set(on)]
    absent = [name for name in DEFENCES if name not in there]
    if not absent:
        return "every"
    if not there:
        return "none"
    shorter = min((there, absent), key=len)
    return "-".join(["only" if shorter is there else "without", *shorter])


def _loss(outcome: Outcome) -> Loss:
    if outcome.verdict is Verdict.ERROR:
        return Loss(error=outcome.detail or "an error without a reason")
    taken = {name for name, lost in vars(outcome.axes).items() if lost}
    return Loss(frozenset(taken | ({A_STEP} if outcome.gained else set())))


def _ended(pool: Pool) -> Generator[tuple[Cell, Outcome], None, None]:
    """Yield the outcomes of a pool. Once the caller stops, let the cells that run end."""
    events = pool.ended()
    try:
        for event in events:
            yield event.cell, event.outcome
    except GeneratorExit:
        pool.stop()
        for _ in events:
            pass
        raise
    except BaseException:
        pool.abandon()
        raise
