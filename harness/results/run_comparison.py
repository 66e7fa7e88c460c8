# SPDX-License-Identifier: GPL-2.0-only
"""Two runs compared, cell by cell: better, worse, or without a conclusion.

The axes are compared one by one; a gained step counts as an axis. A cell that loses an axis that
it held before is worse, even if it holds another that it lost before. Where one of the runs has no
conclusion, the cell is neither better nor worse. A control that did not win is no conclusion: its
attack proves nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import structs

from harness.host.errors import UserError
from harness.model.cell import Cell
from harness.model.verdict import A_STEP, Axes, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.results.recorded_run import RecordedRun
    from harness.results.result_line import ResultLine

ORDER = (*(field.name for field in fields(Axes)), A_STEP)
"""What a cell can lose, the gravest first."""


class Change(StrEnum):
    """The change of a cell from the old run to the new one; the most important comes first."""

    WORSE = "worse"
    ERROR_NOW = "error now"
    NOT_RUN = "not run"
    NOT_APPLICABLE_NOW = "n/a now"
    BETTER = "better"
    ERROR_BEFORE = "error before"
    NOT_APPLICABLE_BEFORE = "n/a before"
    EXPECTATION = "expectation changed"
    STILL_ERROR = "error in both"
    NEW = "new"
    GONE = "gone"
    DETAIL = "another detail"
    SAME = "the same"


FAILURES = {
    "worse": (Change.WORSE,),
    "error": (Change.ERROR_NOW, Change.NOT_RUN),
    "gone": (Change.GONE, Change.NOT_APPLICABLE_NOW),
    "changed": tuple(one for one in Change if one not in (Change.DETAIL, Change.SAME)),
    "never": (),
}
"""The kinds of failure that `--fail-on` takes, and the changes that each of them means."""


@dataclass(frozen=True)
class CellComparison:
    """One cell in both runs; None in the one that does not have it.

    `worse` and `better` are the axes on which it loses more, or less, than before.
    """

    cell: Cell
    old: ResultLine | None
    new: ResultLine | None
    change: Change
    worse: tuple[str, ...] = ()
    better: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunComparison:
    """Two runs and all of their cells, the most important changes first."""

    old: RecordedRun
    new: RecordedRun
    cells: tuple[CellComparison, ...]

    def counts(self) -> dict[Change, int]:
        """How many cells have each change; a change without a cell counts 0."""
        found = Counter(one.change for one in self.cells)
        return {change: found[change] for change in Change}

    def of(self, change: Change) -> list[CellComparison]:
        """Return the cells with that change."""
        return [one for one in self.cells if one.change is change]

    def failed(self, kinds: Iterable[str]) -> list[CellComparison]:
        """Return the cells that these kinds of failure mean."""
        meant = {change for kind in kinds for change in FAILURES[kind]}
        return [one for one in self.cells if one.change in meant]


def compare(
    old: RecordedRun, new: RecordedRun, *, renamed: Sequence[tuple[str, str]] = ()
) -> RunComparison:
    """Compare two runs by line, variant and scenario.

    Each pair of `renamed` names a line or a variant of the old run, and its counterpart in the new
    run; all other lines, or variants, are then left out. Raises UserError for a name that is not
    in its run.
    """
    before, after = dict(old.cells), dict(new.cells)
    for one, other in renamed:
        before, after = _renamed(before, after, one, other)
    every = dict.fromkeys((*after, *before))
    compared = (_compare(cell, before.get(cell), after.get(cell), new) for cell in every)
    order = list(Change)
    return RunComparison(old, new, tuple(sorted(compared, key=lambda one: order.index(one.change))))


def change_between(
    old: ResultLine, new: ResultLine
) -> tuple[Change, tuple[str, ...], tuple[str, ...]]:
    """Return the change of a cell, the axes on which it is worse, and those where it is better."""
    change = _inconclusive(old, new)
    if change is not None:
        return change, (), ()
    worse, better = _lost_anew(old, new), _lost_anew(new, old)
    if worse:
        return Change.WORSE, worse, better
    if better:
        return Change.BETTER, (), better
    if (old.expected, old.ok) != (new.expected, new.ok):
        return Change.EXPECTATION, (), ()
    return (Change.SAME if old.detail == new.detail else Change.DETAIL), (), ()


def _inconclusive(old: ResultLine, new: ResultLine) -> Change | None:
    """Return the change if one of the two lines has no conclusion; None if both have.

    An n/a in both counts as the same conclusion.
    """
    if old.is_inconclusive or new.is_inconclusive:
        if old.is_inconclusive and new.is_inconclusive:
            return Change.STILL_ERROR
        return Change.ERROR_NOW if new.is_inconclusive else Change.ERROR_BEFORE
    verdicts = (old.verdict, new.verdict)
    if Verdict.NOT_APPLICABLE in verdicts and old.verdict is not new.verdict:
        now = new.verdict is Verdict.NOT_APPLICABLE
        return Change.NOT_APPLICABLE_NOW if now else Change.NOT_APPLICABLE_BEFORE
    return None


def _lost_anew(old: ResultLine, new: ResultLine) -> tuple[str, ...]:
    return tuple(sorted(new.lost - old.lost, key=ORDER.index))


def _compare(
    cell: Cell, old: ResultLine | None, new: ResultLine | None, run: RecordedRun
) -> CellComparison:
    if old is None:
        return CellComparison(cell, old, new, Change.NEW)
    if new is None:
        return CellComparison(cell, old, new, Change.NOT_RUN if run.lacks(cell) else Change.GONE)
    return CellComparison(cell, old, new, *change_between(old, new))


Cells = dict[Cell, "ResultLine"]


def _renamed(before: Cells, after: Cells, one: str, other: str) -> tuple[Cells, Cells]:
    field = _field(before, one, "old")
    if field != _field(after, other, "new"):
        raise UserError(
            f"--map {one}={other} is a line on one side and a variant on the other",
            hint="map a line to a line, a variant to a variant",
        )
    return (
        {
            structs.replace(cell, **{field: other}): found
            for cell, found in before.items()
            if getattr(cell, field) == one
        },
        {cell: found for cell, found in after.items() if getattr(cell, field) == other},
    )


def _field(cells: Mapping[Cell, ResultLine], name: str, which: str) -> str:
    for field in ("line", "variant"):
        if any(getattr(cell, field) == name for cell in cells):
            return field
    known = dict.fromkeys(one for cell in cells for one in (cell.line, cell.variant))
    raise UserError(
        f"--map names {name}, which is no line or variant of the {which} run",
        hint=f"it has {', '.join(known)}",
    )
