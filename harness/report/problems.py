# SPDX-License-Identifier: GPL-2.0-only
"""The cells of a run that are not as expected, each with the command that runs it again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness.report.rows import rows_of
from harness.report.text import explain, visible

if TYPE_CHECKING:
    from rich.console import Console

    from harness.judge.result import Result
    from harness.report.finished_run import FinishedRun

_LONGEST = 300  # characters of an explanation in a report with limited room


def print_problems(out: Console, run: FinishedRun) -> None:
    """Print all problems."""
    if run.problems:
        _print_head(out)
    for result in run.problems:
        _print_problem(out, run=run, result=result)


def print_some_problems(out: Console, run: FinishedRun, *, room: int, rest: str) -> None:
    """Print the problems that fit into `room` rows. The last line says that `rest` has the others.

    An explanation may quote a guest, so its length is limited here.
    """
    last = rows_of(partial(_print_left, left=len(run.problems), shown=0, rest=rest), out.width)
    shown = _fitting(run, out.width, room - 1, last=last)
    left = len(run.problems) - shown
    if run.problems:
        _print_head(out)
    for result in run.problems[:shown]:
        _print_problem(out, run=run, result=result, longest=_LONGEST)
    if left:
        _print_left(out, left=left, shown=shown, rest=rest)


def _print_left(out: Console, *, left: int, shown: int, rest: str) -> None:
    out.print(f"  {left} {'more' if shown else 'cells'}: see {rest}", soft_wrap=True)


def _fitting(run: FinishedRun, width: int, room: int, *, last: int) -> int:
    """Return how many problems fit. The line that counts the others has `last` rows.

    It needs no room if all problems fit.
    """
    left = room
    for number, result in enumerate(run.problems):
        rows = rows_of(partial(_print_problem, run=run, result=result, longest=_LONGEST), width)
        is_last = number == len(run.problems) - 1
        if rows > left - (0 if is_last else last):
            return number
        left -= rows
    return len(run.problems)


def _print_head(out: Console) -> None:
    out.print("Not as expected:", style="bold")


def _print_problem(
    out: Console, *, run: FinishedRun, result: Result, longest: int | None = None
) -> None:
    said = f"{result.cell.id}: {explain(result)}"
    if longest is not None and len(said) > longest:
        said = said[: longest - 1] + "…"
    out.print(f"  {said}", soft_wrap=True)
    out.print(f"    {run.rerun(result)}", soft_wrap=True)
    if result.cell in run.notes:
        out.print(f"    {visible(run.notes[result.cell])}", soft_wrap=True)
