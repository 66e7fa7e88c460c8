# SPDX-License-Identifier: GPL-2.0-only
"""The end of a pytest session in which cells ran: its header, its reports and its last lines.

The process that has the terminal may have run no cell. So all is read from the run's folder.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.judge.conclusion import conclude
from harness.judge.controls import closure
from harness.report.finished_run import FinishedRun
from harness.report.page.page import PAGE
from harness.report.text import rerun_line, summary_line, visible
from harness.results.counts import counts, exit_status
from harness.results.run_directory import RunDirectory, now
from harness.results.salvaged_run import salvage
from harness.run.kept_reports import KeptReports

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.results.result_line import ResultLine
    from harness.run.request import Request

_DAMAGED = 2
"""The exit status for a run that is damaged, as `umd-harness` has it."""


def finish_run(directory: Path, status: int, arguments: Iterable[object], asked: Request) -> int:
    """Complete run.json and write the reports, as `umd-harness run` does.

    Return the exit status of the session: `status`, or 2 if files of the run are damaged. Their
    results that can be read count. Write errors are ignored here: ScenarioSession.check has
    reported them. If the evidence of a cell is damaged, there are no reports.
    """
    run = RunDirectory(directory)
    try:
        started = run.header().started
    except UserError:
        return status or _DAMAGED
    if started is None:
        run.discard()
        return status
    lines, gaps = _read(run)
    finished = now()
    seconds = _seconds(started, finished)
    with suppress(OSError):
        run.write_header(
            {
                "finished": finished,
                "seconds": seconds,
                "exit_status": _DAMAGED if gaps else exit_status(lines),
                "pytest_exit_status": status,
                "counts": counts(lines),
                "arguments": ["pytest", *map(str, arguments)],
            }
        )
    run.remove_locks()
    with suppress(OSError, UserError):
        reports = KeptReports(_finished(run, lines, asked, seconds))
        reports.write()
        reports.write_page()
    return status or (_DAMAGED if gaps else 0)


def summary(directory: Path) -> list[str]:
    """Return the last lines of a session in which cells ran."""
    page = directory / PAGE
    lines, gaps = _read(RunDirectory(directory))
    return [
        f"results: {visible(str(directory))}",
        *([f"report: {visible(str(page))}"] if page.is_file() else []),
        *map(visible, gaps),
        summary_line(lines),
    ]


def _read(run: RunDirectory) -> tuple[list[ResultLine], tuple[str, ...]]:
    """Return the results that can be read, and sentences about what cannot be read."""
    try:
        run.header()
        return run.lines(), ()
    except UserError as error:
        try:
            found = salvage(str(run.path), root=run.path.parent)
        except UserError:
            return [], (str(error),)
        return list(found.run.cells.values()), found.gaps or (str(error),)


def _finished(
    run: RunDirectory, lines: Iterable[ResultLine], asked: Request, seconds: float
) -> FinishedRun:
    """Return the results of the lines, concluded again from the evidence. Raises UserError."""
    concluded = {line.cell for line in lines}
    cells = closure(asked.corpus, concluded)
    kept = {cell: run.outcome(cell) for cell in cells}
    outcomes = {cell: outcome for cell, outcome in kept.items() if outcome is not None}
    return FinishedRun(
        corpus=asked.corpus,
        cells=cells,
        results={
            cell: conclude(asked.corpus, cell, outcomes) for cell in cells if cell in concluded
        },
        seconds=seconds,
        where=run.path,
        notes={},
        rerun=partial(rerun_line, corpus=asked.corpus, choice=asked.kernel, engine=asked.engine),
    )


def _seconds(started: str, finished: str) -> float:
    return (datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds()
