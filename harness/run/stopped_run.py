# SPDX-License-Identifier: GPL-2.0-only
"""A run that was stopped, crashed or was switched off: what of it is whole, and may go on."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.brought.digests import changed
from harness.host.errors import UserError
from harness.judge.conclusion import conclude
from harness.judge.controls import is_final
from harness.results.recorded_run import find_run
from harness.results.result_line import line_of
from harness.results.run_directory import RunDirectory
from harness.results.run_header import SAME
from harness.run.code import code_digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.model.cell import Cell, Outcome
    from harness.results.run_header import Provenance, RunHeader
    from harness.scenarios.corpus import Corpus

_NEW_RUN = "start a new run"


@dataclass
class StoppedRun:
    """The folder of a run, its header, and the outcomes that its files have, once `read`."""

    directory: RunDirectory
    header: RunHeader
    outcomes: dict[Cell, Outcome] = field(default_factory=dict)
    damaged: list[Cell] = field(default_factory=list)
    """The cells whose files are damaged. They run again."""

    @property
    def name(self) -> str:
        """The name of the run."""
        return self.directory.path.name

    def read(self, cells: Sequence[Cell]) -> None:
        """Read the outcomes of these cells. A cell without whole files has none."""
        for cell in cells:
            try:
                outcome = self.directory.outcome(cell)
            except (UserError, OSError, ValueError):
                self.damaged.append(cell)
            else:
                if outcome is not None:
                    self.outcomes[cell] = outcome

    def check_planned(self, image: str) -> None:
        """Raise UserError unless `image`, if it is not empty, is the key of the run's image."""
        if image and image != self.header.image:
            self._refuse(SAME["image"], self.header.image, image)

    def check(self, facts: Provenance) -> None:
        """Raise UserError unless the lab is that of the run: no run mixes the evidence of two."""
        for name, what in SAME.items():
            then, today = getattr(self.header, name), getattr(facts, name)
            if then != today:
                self._refuse(what, str(then), str(today))

    def _refuse(self, what: str, then: str, today: str) -> None:
        raise UserError(
            f"the {what} is not that of the run {self.name}: "
            f"{then[:40] or 'none'} then, {today[:40] or 'none'} now",
            hint=_NEW_RUN,
        )

    def mend(self, corpus: Corpus, cells: Sequence[Cell]) -> list[str]:
        """Leave in the folder only what is whole; return a line on each thing that was not.

        A line of results.jsonl stays if the evidence of all cells that it rests on is there.
        """
        final = [cell for cell in self.outcomes if is_final(corpus, cell, self.outcomes)]
        due = {line_of(conclude(corpus, cell, self.outcomes)) for cell in final}
        left = [cell for cell in cells if cell not in self.outcomes]
        told = [f"results.jsonl: {said}" for said in self.directory.mend(due, without=left)]
        return told + [
            f"{cell.id}: its files are damaged, so it runs again" for cell in self.damaged
        ]


@contextmanager
def stopped_run(name: str, *, root: Path) -> Iterator[StoppedRun]:
    """Open a run to go on with it; no other process can until the block has ended.

    Raises UserError if the run is complete, belongs to a pytest session or to other code of the
    harness, or if another process writes to it.
    """
    found = find_run(name, root=root).path
    directory = RunDirectory.create(found.parent, found.name)
    with directory.held():
        run = StoppedRun(directory, directory.header())
        _check(run)
        yield run


def _check(run: StoppedRun) -> None:
    if run.header.arguments[:1] != ("run",):
        raise UserError(
            f"{run.name} is not a run of `umd-harness run`",
            hint="repeat the command that made it",
        )
    if _is_complete(run):
        raise UserError(
            f"the run {run.name} is complete: no cell is left",
            hint="run its failed cells again with --failed, or start a new run",
        )
    if path := changed(run.header.brought):
        raise UserError(
            f"{path} is not the file that the run {run.name} had",
            hint=f"start in the folder of that run with the same file, or {_NEW_RUN}",
        )
    if run.header.code != code_digest():
        raise UserError(
            f"the code of the harness is not that of the run {run.name} "
            f"(commit {run.header.commit})",
            hint=f"{_NEW_RUN}, or go back to that code",
        )


def _is_complete(run: StoppedRun) -> bool:
    counts = run.header.counts
    if run.header.trouble or counts.get("not_run"):
        return False
    try:
        return len(run.directory.lines()) == counts.get("cells")
    except UserError:
        return False
