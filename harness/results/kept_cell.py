# SPDX-License-Identifier: GPL-2.0-only
"""A cell of a kept run: its result, the results that it depends on, and its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.host.suggestion import hint_for
from harness.judge.controls import references_of
from harness.model.cell import Cell
from harness.results.cell_files import read_outcome
from harness.results.run_directory import cells_folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.model.cell import Outcome
    from harness.results.recorded_run import RecordedRun
    from harness.results.result_line import ResultLine

_NAMED = 5  # cells that an error names


@dataclass(frozen=True)
class KeptCell:
    """A cell as its run left it."""

    run: RecordedRun
    line: ResultLine
    outcome: Outcome | None
    """The outcome with the evidence; None if the folder has none."""

    @property
    def folder(self) -> Path:
        """The folder of its evidence, which may have been removed."""
        return cells_folder(self.run.path) / self.line.cell.id

    @property
    def cell(self) -> Cell:
        """The names of the kernel line, the variant and the scenario."""
        return self.line.cell

    @property
    def control(self) -> ResultLine | None:
        """The control's result; None if the cell is its own control, or the run has none."""
        return None if self.line.is_control else self.run.cells.get(self._control)

    @property
    def _control(self) -> Cell:
        return Cell(self.line.line, self.line.control.variant, self.line.scenario)

    @property
    def references(self) -> list[ResultLine]:
        """The results of the reference cells of the variant, and of the control's."""
        every = dict.fromkeys((*references_of(self.cell), *references_of(self._control)))
        return [self.run.cells[one] for one in every if one in self.run.cells and one != self.cell]

    @property
    def files(self) -> list[str]:
        """The names of the files in the folder."""
        folder = self.folder
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def kept_cell(run: RecordedRun, text: str) -> KeptCell:
    """Return the cell with this id, or with this text in its id. Raises UserError unless it is one.

    Upper and lower case are the same.
    """
    return keep_of(run, run.cells[_named(text, run.cells)])


def keep_of(run: RecordedRun, line: ResultLine) -> KeptCell:
    """Return a cell with its evidence. Raises UserError if a file of it cannot be read."""
    try:
        outcome = read_outcome(cells_folder(run.path) / line.cell.id)
    except OSError as error:
        raise UserError(
            f"{error.filename} cannot be read: {error.strerror}",
            hint="run the cell again, or name another",
        ) from error
    return KeptCell(run, line, outcome)


def _named(text: str, cells: Iterable[Cell]) -> Cell:
    by_id = {cell.id.lower(): cell for cell in cells}
    if exact := by_id.get(text.lower()):
        return exact
    found = [cell.id for ident, cell in by_id.items() if text.lower() in ident]
    if not found:
        hint = hint_for(text, by_id, otherwise="name a part of its id, such as isolated-pagemap")
        raise UserError(f"no cell of the run has {text!r} in its id", hint=hint)
    if len(found) > 1:
        more = ", …" if len(found) > _NAMED else ""
        raise UserError(
            f"{len(found)} cells of the run have {text!r} in their ids",
            hint=f"name one: {', '.join(found[:_NAMED])}{more}",
        )
    return by_id[found[0].lower()]
