# SPDX-License-Identifier: GPL-2.0-only
"""What a run has found so far: in memory at once, on disk as soon as the disk takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.conclusion import conclude
from harness.judge.controls import is_final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.judge.result import Result
    from harness.model.cell import Cell, Outcome
    from harness.results.folder import RunDirectory
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
        self._unkept: set[Cell] = set()
        self._unwritten: set[Cell] = set()

    @property
    def unsaved(self) -> int:
        """How many cells have something that is not on disk."""
        return len(self._unkept | self._unwritten)

    def add(self, cell: Cell, outcome: Outcome) -> list[Result]:
        """Take a cell's outcome; return the results that have become final by it."""
        self.outcomes[cell] = outcome
        self._unkept.add(cell)
        final = [other for other in self.outcomes if self._is_new(other)]
        return self._conclude(final)

    def close(self) -> list[Result]:
        """Return the results of the cells that were cut off from what they rest on: errors all."""
        return self._conclude([cell for cell in self.outcomes if cell not in self.results])

    def _is_new(self, cell: Cell) -> bool:
        return cell not in self.results and is_final(self._corpus, cell, self.outcomes)

    def _conclude(self, cells: Iterable[Cell]) -> list[Result]:
        new = [conclude(self._corpus, cell, self.outcomes) for cell in cells]
        self.results |= {result.cell: result for result in new}
        self._unwritten |= {result.cell for result in new}
        self._save()
        return new

    def _save(self) -> None:
        try:
            for cell in sorted(self._unkept, key=list(self.outcomes).index):
                self._run.keep(cell, self.outcomes[cell])
                self._unkept.discard(cell)
            for cell in sorted(self._unwritten, key=list(self.results).index):
                self._run.append(self.results[cell])
                self._unwritten.discard(cell)
        except OSError as error:
            self.trouble = error
