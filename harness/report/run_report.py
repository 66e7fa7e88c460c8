# SPDX-License-Identifier: GPL-2.0-only
"""The report at the end of a run: the matrix if it fits, otherwise a summary.

The folder of the run keeps the whole report, as `matrix.txt`.
"""

from __future__ import annotations

import io
import statistics
import sys
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from harness.host.files import write_atomically
from harness.model.verdict import Verdict
from harness.report.class_counts import print_class_counts
from harness.report.findings import print_findings, print_findings_counted
from harness.report.plain_table import plain_table
from harness.report.problems import print_problems, print_some_problems
from harness.report.rows import plain_console, rows_of
from harness.report.table import matrix_tables
from harness.report.text import summary_line, visible

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from harness.report.finished_run import FinishedRun

ROWS = 60
"""The most rows of a report, unless the user asks for the matrix."""

_MATRIX_WIDTH = 400  # columns of the lists in matrix.txt


class Extent(Enum):
    """What is printed of a run."""

    FITTING = "the matrix, or a summary if the matrix does not fit"
    MATRIX = "the matrix, whatever its length"
    PROBLEMS = "the cells that are not as expected"


@dataclass(frozen=True)
class Kept:
    """The files that have the whole report; None for a file that is not there."""

    matrix: Path | None = None
    page: Path | None = None


def print_report(
    out: Console, run: FinishedRun, *, kept: Kept, extent: Extent = Extent.FITTING
) -> None:
    """Print the report of a run: the whole of it, if no file has the matrix."""
    if _is_whole(out, run, kept, extent) or kept.matrix is None:
        _print_whole(out, run, kept.page)
    else:
        _print_summary(out, run, kept, rest=kept.matrix, counted=extent is Extent.FITTING)


def write_matrix(path: Path, run: FinishedRun) -> None:
    """Write the whole report. Raises OSError."""
    text = io.StringIO()
    _print_rest(plain_console(text, width=_MATRIX_WIDTH), run)
    tables = matrix_tables(run.corpus, run.cells, run.results, width=sys.maxsize)
    lines = (line for table in tables for line in plain_table(table))
    rest = (line.rstrip() for line in text.getvalue().splitlines())
    write_atomically(path, "".join(f"{line}\n" for line in (*lines, *rest)))


def _is_whole(out: Console, run: FinishedRun, kept: Kept, extent: Extent) -> bool:
    if kept.matrix is None or extent is not Extent.FITTING:
        return extent is not Extent.PROBLEMS
    too_many = len({cell.scenario for cell in run.cells}) > ROWS  # saves the time to draw them
    return not too_many and rows_of(lambda on: _print_whole(on, run, kept.page), out.width) <= ROWS


def _print_whole(out: Console, run: FinishedRun, page: Path | None = None) -> None:
    """Print the matrix, the problems, what was found, and the counts."""
    for table in matrix_tables(run.corpus, run.cells, run.results, width=out.width):
        out.print(table)
    _print_rest(out, run, page)


def _print_rest(out: Console, run: FinishedRun, page: Path | None = None) -> None:
    """Print what stands below the matrix."""
    print_problems(out, run)
    print_findings(out, run.ordered)
    _print_end(out, run, Kept(page=page))


def _print_summary(
    out: Console, run: FinishedRun, kept: Kept, *, rest: Path, counted: bool
) -> None:
    """Print at most `ROWS` rows: the counts, the problems that fit, and where the rest is."""

    def head(on: Console) -> None:
        if counted:
            print_class_counts(on, run)

    def end(on: Console) -> None:
        if counted:
            print_findings_counted(on, run.ordered)
        _print_end(on, run, kept)

    head(out)
    room = ROWS - rows_of(head, out.width) - rows_of(end, out.width)
    print_some_problems(out, run, room=room, rest=visible(str(rest)))
    end(out)


def _print_end(out: Console, run: FinishedRun, kept: Kept) -> None:
    ran = [result.seconds for result in run.ordered if result.verdict is not Verdict.ERROR]
    if ran:
        median = statistics.median(ran)
        times = f"median cell {median:.2f} s, slowest {max(ran):.2f} s; {run.seconds:.1f} s in all"
        out.print(times, soft_wrap=True)
    out.print(f"results: {visible(str(run.where))}", soft_wrap=True)
    if kept.matrix is not None:
        out.print(f"matrix: {visible(str(kept.matrix))}", soft_wrap=True)
    if kept.page is not None:
        out.print(f"report: {visible(str(kept.page))}", soft_wrap=True)
    out.print(
        summary_line(run.lines, not_run=run.not_run),
        style="bold green" if run.ok else "bold red",
        soft_wrap=True,
    )
