# SPDX-License-Identifier: GPL-2.0-only
"""What the report of a run is made from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.results.result_line import line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from harness.judge.result import Result
    from harness.model.cell import Cell
    from harness.results.result_line import ResultLine
    from harness.scenarios.corpus import Corpus


@dataclass(frozen=True)
class FinishedRun:
    """A run that has ended, with or without results for all of its cells."""

    corpus: Corpus
    cells: Sequence[Cell]
    """The cells that were to run."""
    results: Mapping[Cell, Result]
    seconds: float
    """The wall time of the run."""
    where: Path
    """The folder of the run."""
    notes: Mapping[Cell, str]
    """A further line for some of the cells that are not as expected."""
    rerun: Callable[[Result], str]
    """Returns the command that runs a cell again."""

    @cached_property
    def ordered(self) -> list[Result]:
        """The results, in the order of the cells."""
        return [self.results[cell] for cell in self.cells if cell in self.results]

    @cached_property
    def lines(self) -> list[ResultLine]:
        """The lines of the results."""
        return [line_of(result) for result in self.ordered]

    @cached_property
    def not_run(self) -> int:
        """How many cells have no result."""
        return len(self.cells) - len(self.ordered)

    @cached_property
    def problems(self) -> list[Result]:
        """The results that are not as expected."""
        return [result for result in self.ordered if not result.ok]

    @cached_property
    def ok(self) -> bool:
        """Whether all cells ran and came out as expected."""
        return bool(self.ordered) and not self.problems and not self.not_run
