# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness merge`: the folders of several runs become that of one, with all reports."""

from __future__ import annotations

import gc
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import msgspec

from harness.brought.digests import changed
from harness.host.errors import UserError
from harness.judge.controls import closure
from harness.report.finished_run import FinishedRun
from harness.results.counts import counts, exit_status
from harness.results.result_line import result_of
from harness.results.run_directory import RunDirectory, writable
from harness.results.run_union import check_parts, lines_of, owners, united_header
from harness.run.code import code_digest
from harness.run.kept_reports import KeptReports
from harness.run.merged_evidence import (
    check_place,
    link,
    link_folders,
    moved_folders,
    remove_runs,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from harness.judge.result import Result
    from harness.model.cell import Cell
    from harness.results.recorded_run import RecordedRun
    from harness.results.run_header import RunHeader
    from harness.scenarios.corpus import Corpus


def check_code(header: RunHeader) -> None:
    """Raise UserError unless the code and the user's files are those of the run."""
    if header.code != code_digest():
        raise UserError(
            f"the code of the harness is not that of the runs (commit {header.commit})",
            hint="merge them with the code that ran them",
        )
    if path := changed(header.brought):
        raise UserError(
            f"{path} is not the file that the runs had",
            hint="start in a folder like that of the runs, with the same file",
        )


def merge(
    parts: Sequence[RecordedRun],
    target: Path,
    corpus: Corpus,
    *,
    rerun: Callable[[Result], str],
    move: bool = False,
) -> tuple[FinishedRun, KeptReports]:
    """Make one run of the parts, in the folder `target`, with its reports. Raises UserError.

    `move` moves the evidence, and removes the parts when the run and its reports are there.
    """
    if move:
        check_place(parts, target)
    finished = unite(parts, target, corpus, rerun=rerun, move=move)
    reports = KeptReports(finished)
    with writable(target.parent):
        reports.write()
        reports.write_page()
    if move:
        with writable(parts[0].path.parent):
            remove_runs(parts, target)
    return finished, reports


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector from the block.

    A merge makes an object or two for each cell, and no cycles. Each collection looks at all of
    them again, for nothing.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@_no_collection()
def unite(
    parts: Sequence[RecordedRun],
    target: Path,
    corpus: Corpus,
    *,
    rerun: Callable[[Result], str],
    move: bool = False,
) -> FinishedRun:
    """Make one run of the parts, in the folder `target`, without a report. Raises UserError.

    Files of evidence become further names of the same content where the disk allows it. `move`
    takes the evidence from the parts: they are then of no further use.
    """
    check_parts(parts)
    found = owners(parts)
    cells = closure(corpus, _in_order(corpus, found))
    if missing := [cell.id for cell in cells if cell not in found]:
        raise UserError(
            f"cells on which others rest are in none of the runs, such as {missing[0]}",
            hint="name runs that ended by themselves",
        )
    lines = lines_of(found)
    header = united_header(parts)
    with writable(target.parent), ExitStack() as stack:
        directory = RunDirectory.create(target.parent, target.name)
        stack.enter_context(directory.held())
        evidence = str(directory.cells)
        if move:
            for part in parts:
                stack.enter_context(RunDirectory(part.path).held())
            folders = [
                (f"{found[cell].path}/cells/{cell.id}", f"{evidence}/{cell.id}") for cell in cells
            ]
            stack.enter_context(moved_folders(folders))
        else:
            names: dict[str, list[str]] = {}
            for cell in cells:
                names.setdefault(f"{found[cell].path}/cells", []).append(cell.id)
            for source, its in names.items():
                link_folders(source, evidence, its)
        for part in parts:
            for symbols in part.path.glob("vmlinux*"):
                if symbols.is_file() and not (target / symbols.name).exists():
                    link(str(symbols), str(target / symbols.name))
        directory.write_lines(lines[cell] for cell in cells)
        directory.write_header(
            {
                **msgspec.structs.asdict(header),
                "exit_status": exit_status(lines.values()),
                "counts": {**counts(lines.values()), "not_run": 0},
            }
        )
    return FinishedRun(
        corpus=corpus,
        cells=cells,
        results={cell: result_of(lines[cell], corpus) for cell in cells},
        seconds=header.seconds or 0.0,
        where=target,
        notes={},
        rerun=rerun,
    )


def _in_order(corpus: Corpus, cells: Iterable[Cell]) -> list[Cell]:
    """Return the cells in the order of the corpus, as a run that chooses all of them has them."""
    variants, scenarios = list(corpus.variants), list(corpus.scenarios)
    places = {name: place for names in (variants, scenarios) for place, name in enumerate(names)}
    return sorted(cells, key=lambda cell: (places[cell.variant], places[cell.scenario]))
