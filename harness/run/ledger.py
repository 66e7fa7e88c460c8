# SPDX-License-Identifier: GPL-2.0-only
"""Outcomes and results of a run: in memory at once, on disk as soon as the disk takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.conclusion import conclude
from harness.judge.controls import is_final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.judge.result import Result
    from harness.model.cell import Cell, Outcome
    from harness.results.run_directory import RunDirectory
    from harness.scenarios.corpus import Corpus


class Ledger:
    """Takes outcomes as cells end and gives results as they become final.

    A disk that refuses loses nothing: what could not be written is tried again with the next
    outcome and at the end, and `unsaved` says what is still only in memory, and why.
    """

    def __init__(self, run: RunDirectory, corpus: Corpus) -> None:
        """Start empty; what is added goes to `run`."""
        self.outcomes: dict[Cell, Outcome] = {}
        self.results: dict[Cell, Result] = {}
        self.trouble: OSError | None = None
        self._run = run
        self._corpus = corpus
        self._waiting: dict[Cell, None] = {}
        """The cells with an outcome and no result yet."""
        self._unkept: dict[Cell, Outcome] = {}
        self._unwritten: dict[Cell, Result] = {}

    @property
    def unsaved(self) -> int:
        """How many cells have something that is not on disk."""
        return len(self._unkept.keys() | self._unwritten.keys())

    def add(self, cell: Cell, outcome: Outcome) -> list[Result]:
        """Take a cell's outcome; return the results that have become final by it."""
        self.outcomes[cell] = self._unkept[cell] = outcome
        if cell not in self.results:
            self._waiting[cell] = None
        known = self.outcomes
        final = [other for other in self._waiting if is_final(self._corpus, other, known)]
        return self._conclude(final)

    def close(self) -> list[Result]:
        """Return the results of the cells that miss what they rest on. All of them are errors."""
        return self._conclude(list(self._waiting))

    def _conclude(self, cells: Iterable[Cell]) -> list[Result]:
        new = {cell: conclude(self._corpus, cell, self.outcomes) for cell in cells}
        self.results |= new
        self._unwritten |= new
        for cell in new:
            del self._waiting[cell]
        self._save()
        return list(new.values())

    def _save(self) -> None:
        try:
            for cell, outcome in list(self._unkept.items()):
                self._run.keep(cell, outcome)
                del self._unkept[cell]
            for cell, result in list(self._unwritten.items()):
                self._run.append(result)
                del self._unwritten[cell]
        except OSError as error:
            self.trouble = error
