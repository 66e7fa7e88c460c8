# SPDX-License-Identifier: GPL-2.0-only
"""The repetitions of a study on disk: each is a run of its own, in a folder below the study's.

    results/<UTC time>-<id>/001/run.json, results.jsonl, cells/
                                junit.xml, matrix.txt, report.html
                            002/…
                            latest         a symbolic link to the newest repetition

Each folder has the lines of all cells. The evidence of a cell is in the first repetition, and in
each whose conclusion differs from that of the first: a hundred times the same evidence says no
more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.host.errors import UserError, mendable
from harness.judge.controls import closure
from harness.judge.expectations import half_done
from harness.report.finished_run import FinishedRun
from harness.results.counts import counts, exit_status
from harness.results.run_directory import RunDirectory, now
from harness.run.kept_reports import KeptReports
from harness.run.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from harness.judge.result import Result
    from harness.model.cell import Cell, Outcome
    from harness.scenarios.corpus import Corpus


@dataclass
class _Open:
    """A repetition that has not ended."""

    directory: RunDirectory
    ledger: Ledger
    left: int
    """How many of its cells have not ended."""
    start: float = field(default_factory=time.monotonic)


class Repetitions:
    """Keeps the repetitions. The N-th outcome of a cell belongs to the N-th repetition."""

    def __init__(
        self,
        path: Path,
        corpus: Corpus,
        cells: Sequence[Cell],
        *,
        times: int,
        header: Mapping[str, Any],
        rerun: Callable[[Result], str],
    ) -> None:
        """Make no folder yet. `header` has the fields of run.json that all repetitions share.

        `rerun` returns the command that runs a cell again.
        """
        self.path = path
        self._corpus, self._cells, self._header = corpus, cells, header
        self._rerun = rerun
        self._width = max(3, len(str(times)))
        self._shared: dict[Cell, Outcome] = {}
        self._ended = dict.fromkeys(cells, 0)
        """By cell, how many times it has ended."""
        self._first: dict[Cell, object] = {}
        """By cell, the conclusion of the first repetition."""
        self._open: dict[int, _Open] = {}
        self._trouble: OSError | None = None

    def share(self, cell: Cell, outcome: Outcome) -> None:
        """Add a control or a reference cell that is not repeated: it counts for each repetition."""
        self._shared[cell] = outcome

    def add(self, cell: Cell, outcome: Outcome) -> None:
        """Add the next outcome of a cell.

        Raises UserError if the results are removed, or if the disk does not take them: further
        repetitions would not be kept either.
        """
        self._ended[cell] += 1
        number = self._ended[cell]
        if number not in self._open:
            self._open[number] = self._begin(number)
        repetition = self._open[number]
        repetition.ledger.add(cell, outcome)
        repetition.left -= 1
        if repetition.ledger.lost:
            raise repetition.ledger.lost
        if repetition.ledger.unsaved and repetition.ledger.trouble:
            raise self._refused(number, repetition.ledger.trouble) from repetition.ledger.trouble
        if not repetition.left:
            self._end(self._open.pop(number))

    def close(self) -> None:
        """Give up the repetitions that have not ended; what they have stays."""
        for repetition in self._open.values():
            repetition.directory.remove_locks()
        self._open.clear()

    def check(self) -> None:
        """Raise UserError if some results could not be written."""
        if self._trouble is not None:
            raise UserError(
                f"some results could not be written to {self.path}: "
                f"{self._trouble.strerror or self._trouble}",
                hint="the counts above have them; correct the cause and run again",
            ) from self._trouble

    def _begin(self, number: int) -> _Open:
        directory = RunDirectory.create(self.path, f"{number:0{self._width}}")
        begun = {"started": now(), "selected": tuple(cell.id for cell in self._cells)}
        try:
            directory.write_header({**begun, **self._header})
        except OSError as error:
            directory.discard()
            raise self._refused(number, error) from error
        directory.announce()

        def has_evidence(cell: Cell, outcome: Outcome) -> bool:
            if cell in self._shared:
                return number == 1
            half = bool(half_done(self._corpus.scenario(cell), outcome))
            conclusion = outcome.verdict, outcome.axes, half
            return self._first.setdefault(cell, conclusion) != conclusion or number == 1

        ledger = Ledger(directory, self._corpus, has_evidence=has_evidence)
        for cell, outcome in self._shared.items():
            ledger.add(cell, outcome)
        return _Open(directory, ledger, len(self._cells))

    def _refused(self, number: int, error: OSError) -> UserError:
        """Return the error of a disk that does not take a repetition."""
        known = mendable(error)
        return UserError(
            f"the results of time {number} could not be written to {self.path}: "
            f"{error.strerror or error}",
            hint=f"{known.hint if known else 'correct the cause, and run again'}; the times before "
            "it are kept, and can be read",
        )

    def _end(self, repetition: _Open) -> None:
        repetition.ledger.close()
        run = FinishedRun(
            corpus=self._corpus,
            cells=closure(self._corpus, self._cells),
            results=repetition.ledger.results,
            seconds=time.monotonic() - repetition.start,
            where=repetition.directory.path,
            notes={},
            rerun=self._rerun,
        )
        reports = KeptReports(run)
        self._keep(reports.write)
        self._note(
            repetition.directory,
            finished=now(),
            seconds=round(run.seconds, 3),
            exit_status=exit_status(run.lines),
            counts={**counts(run.lines), "not_run": run.not_run},
        )
        self._keep(reports.write_page)
        self._trouble = repetition.ledger.trouble if repetition.ledger.unsaved else self._trouble
        repetition.directory.remove_locks()

    def _note(self, directory: RunDirectory, **facts: Any) -> None:
        self._keep(partial(directory.write_header, facts))

    def _keep(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            self._trouble = error
