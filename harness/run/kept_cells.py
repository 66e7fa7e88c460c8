# SPDX-License-Identifier: GPL-2.0-only
"""`run --since`: the cells of an earlier run that rest on nothing that has changed."""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.judge.conclusion import conclude
from harness.judge.controls import is_final
from harness.results.cell_files import OUTCOME, read_outcome, rewrite_outcome
from harness.results.result_line import line_of
from harness.results.run_comparison import Change, change_between

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.judge.result import Result
    from harness.model.cell import Cell, Outcome
    from harness.results.recorded_run import RecordedRun
    from harness.results.result_line import ResultLine
    from harness.results.run_directory import RunDirectory
    from harness.run.grounds import Grounds
    from harness.scenarios.corpus import Corpus

_NAMED = 5  # cells that an error names


@dataclass(frozen=True)
class Since:
    """The earlier run, and the share of its kept cells that run again nevertheless."""

    run: RecordedRun
    verify: float = 0.0


@dataclass(frozen=True)
class KeptCells:
    """The outcomes that are taken over, and the lines with which repeated cells must agree."""

    since: Since
    outcomes: Mapping[Cell, Outcome]
    repeated: Mapping[Cell, ResultLine]

    def take(self, directory: RunDirectory) -> None:
        """Give the evidence of the cells a name in the new run. Raises OSError."""
        for cell, outcome in self.outcomes.items():
            target = directory.folder(cell)
            target.mkdir(exist_ok=True)
            for entry in os.scandir(self.since.run.path / "cells" / cell.id):
                if entry.name != OUTCOME:
                    _link(entry.path, str(target / entry.name))
            rewrite_outcome(target, outcome)

    def check(self, results: Mapping[Cell, Result]) -> None:
        """Raise UserError if a cell that ran again came out otherwise."""
        differing = [
            cell.id
            for cell, line in self.repeated.items()
            if cell in results and not _same(line, line_of(results[cell]))
        ]
        if differing:
            named = ", ".join(differing[:_NAMED]) + (", …" if len(differing) > _NAMED else "")
            raise UserError(
                f"{len(differing)} of {len(self.repeated)} cells that ran again came out otherwise "
                f"than in {self.since.run.name}: {named}",
                hint="run all cells, without --since",
            )


def kept_cells(since: Since, corpus: Corpus, needed: Iterable[Cell], grounds: Grounds) -> KeptCells:
    """Return the needed cells of the earlier run that rest on the same as today.

    A cell that was not as expected runs again, and so does an error. A result is concluded anew
    from its evidence, and must be that of the earlier run.
    """
    outcomes: dict[Cell, Outcome] = {}
    for cell in needed:
        line = since.run.cells.get(cell)
        if line is not None and line.ok and (outcome := _unchanged(since.run, cell, grounds)):
            outcomes[cell] = replace(outcome, kept=outcome.kept or since.run.name)
    sound = {
        cell: outcome
        for cell, outcome in outcomes.items()
        if is_final(corpus, cell, outcomes)
        and _same(since.run.cells[cell], line_of(conclude(corpus, cell, outcomes)))
    }
    repeated = _sample(sound, since)
    kept = {cell: outcome for cell, outcome in sound.items() if cell not in repeated}
    return KeptCells(since, kept, {cell: since.run.cells[cell] for cell in repeated})


def _unchanged(run: RecordedRun, cell: Cell, grounds: Grounds) -> Outcome | None:
    """Return the outcome of a cell if it is whole and rests on the same; None otherwise."""
    try:
        outcome = read_outcome(run.path / "cells" / cell.id)
    except (OSError, UserError, ValueError):
        return None
    if outcome is None or not outcome.rests_on or outcome.rests_on != grounds.digest(cell):
        return None
    return outcome


def _same(old: ResultLine, new: ResultLine) -> bool:
    return change_between(old, new)[0] in (Change.SAME, Change.DETAIL)


def _sample(cells: Iterable[Cell], since: Since) -> set[Cell]:
    """Return the share of the cells that run again: others each time, at least one of any."""
    salt = os.urandom(8)
    order = sorted(cells, key=lambda cell: sha256(salt + cell.id.encode()).digest())
    return set(order[: math.ceil(since.verify * len(order))])


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without such names
        shutil.copy2(source, target)
