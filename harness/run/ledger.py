# SPDX-License-Identifier: GPL-2.0-only
"""The outcomes and results of a run: in memory, and on disk as soon as they can be written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.judge.conclusion import conclude
from harness.judge.controls import is_final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from harness.judge.result import Result
    from harness.model.cell import Cell, Outcome
    from harness.results.run_directory import RunDirectory
    from harness.scenarios.corpus import Corpus


class Ledger:
    """Receives the outcomes of cells and returns the results that become final.

    A write that fails loses nothing: it is repeated with the next outcome and at the end. `unsaved`
    counts the cells that are only in memory, and `trouble` has the last error. `lost` is set, and
    nothing more is written, when results that were written have been removed.
    """

    def __init__(
        self,
        run: RunDirectory,
        corpus: Corpus,
        *,
        has_evidence: Callable[[Cell, Outcome], bool] = lambda _cell, _outcome: True,
        grounds: Callable[[Cell], str] = lambda _cell: "",
    ) -> None:
        """Start empty. Results are written to `run`, and the outcomes of which evidence is kept.

        `grounds` returns the hash of all that a cell rests on.
        """
        self._has_evidence = has_evidence
        self._grounds = grounds
        self.outcomes: dict[Cell, Outcome] = {}
        self.results: dict[Cell, Result] = {}
        self.trouble: OSError | None = None
        self.lost: UserError | None = None
        self._run = run
        self._corpus = corpus
        self._waiting: dict[Cell, None] = {}
        """The cells with an outcome and no result yet."""
        self._unkept: dict[Cell, Outcome] = {}
        self._unwritten: dict[Cell, Result] = {}

    @property
    def unsaved(self) -> int:
        """The number of cells with an outcome or a result that is not on disk."""
        return len(self._unkept.keys() | self._unwritten.keys())

    def add(self, cell: Cell, outcome: Outcome) -> list[Result]:
        """Add a cell's outcome; return the results that have become final with it."""
        outcome = replace(outcome, rests_on=self._grounds(cell))
        self.outcomes[cell] = outcome
        if self._has_evidence(cell, outcome):
            self._unkept[cell] = outcome
        if cell not in self.results:
            self._waiting[cell] = None
        return self._conclude([other for other in self._waiting if self._is_final(other)])

    def recall(self, outcomes: Mapping[Cell, Outcome]) -> list[Result]:
        """Take outcomes whose files are there; return the results that are final with them."""
        self.outcomes |= outcomes
        self._waiting |= dict.fromkeys(outcomes)
        return self._conclude([cell for cell in outcomes if self._is_final(cell)])

    def close(self) -> list[Result]:
        """Return the results of cells whose control or reference did not run. All are errors."""
        return self._conclude(list(self._waiting))

    def _is_final(self, cell: Cell) -> bool:
        return is_final(self._corpus, cell, self.outcomes)

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
            if self.lost is None and (path := self._run.removed()):
                self.lost = UserError(
                    f"{path} was removed or cut short during the run",
                    hint="leave the folder of results alone, and run again",
                )
            if self.lost:
                return
            for cell, outcome in list(self._unkept.items()):
                self._run.keep(cell, outcome)
                del self._unkept[cell]
            for cell, result in list(self._unwritten.items()):
                self._run.append(result)
                del self._unwritten[cell]
        except OSError as error:
            self.trouble = error
        except UserError as error:  # results.jsonl was changed meanwhile
            self.lost = error
