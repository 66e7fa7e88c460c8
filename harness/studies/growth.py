# SPDX-License-Identifier: GPL-2.0-only
"""The work with the records of a run, as the number of cells grows: no machine takes part.

A kept run is made larger. Each of its attacks gets further names, with its results and evidence
under each of them. What is measured is then done with real verdicts and real evidence.
"""

from __future__ import annotations

import io
import os
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from harness.host.errors import UserError
from harness.report.comparison_report import text
from harness.report.junit import write_junit
from harness.report.ktap import write_ktap
from harness.report.page.page import write_page
from harness.report.run_report import Kept, print_report, write_matrix
from harness.report.terminal import console
from harness.report.text import rerun_line
from harness.results.bench_figures import WorkFigures
from harness.results.counts import counts, exit_status
from harness.results.recorded_run import read_run
from harness.results.result_line import line_of, result_of
from harness.results.run_comparison import compare
from harness.results.run_directory import RunDirectory
from harness.run.merge import unite
from harness.scenarios import REFERENCES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from harness.judge.result import Result
    from harness.report.finished_run import FinishedRun
    from harness.results.recorded_run import RecordedRun
    from harness.scenarios.corpus import Corpus

_PARTS = ("one", "two")
_WHOLE = "whole"
_MOVED = "moved"


@dataclass(frozen=True)
class WorkTime:
    """How long one kind of work took, for all cells."""

    name: str
    cells: int
    cpu_seconds: float
    """The time on a processor, which load on the host hardly changes."""
    seconds: float

    def figures(self) -> WorkFigures:
        """Return the entry in the file of figures."""
        return WorkFigures(
            name=self.name,
            cells=self.cells,
            cpu_seconds=round(self.cpu_seconds, 3),
            seconds=round(self.seconds, 3),
        )

    def __str__(self) -> str:
        """Return the line that `bench` prints."""
        each = self.cpu_seconds / self.cells * 1_000_000
        return (
            f"{self.name:<12} {self.cpu_seconds:6.1f} s of a processor  {self.seconds:6.1f} s  "
            f"{each:6.0f} us a cell"
        )


def growth(
    run: RecordedRun,
    corpus: Corpus,
    *,
    cells: int,
    folder: Path,
    progress: Callable[[str], None],
) -> list[WorkTime]:
    """Time each kind of work with the records of so many cells. The runs are made in `folder`.

    Raises UserError, also for a run with an attack that the corpus does not have.
    """
    measured = []
    progress(f"records: making {cells} cells of {len(run.cells)}")
    for name, do in work(run, corpus, cells=cells, folder=folder):
        progress(f"records: {name} of {cells} cells")
        cpu, wall = time.process_time(), time.monotonic()
        do()
        measured.append(WorkTime(name, cells, time.process_time() - cpu, time.monotonic() - wall))
    return measured


def work(
    run: RecordedRun, corpus: Corpus, *, cells: int, folder: Path
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield each kind of work and its name. The caller does each before it takes the next."""
    grown, results, origins = enlarged(run, corpus, cells)
    rerun = partial(rerun_line, corpus=grown)
    shares = _shares(results)
    parts = [RunDirectory.create(folder, name) for name in _PARTS]
    for part, share in zip(parts, shares, strict=True):
        for cell in (result.cell for result in share):
            name = origins.get(cell.scenario, cell.scenario)
            origin = msgspec.structs.replace(cell, scenario=name)
            _link_evidence(RunDirectory(run.path).folder(origin), part.folder(cell))
    yield "append", lambda: _append(parts, shares)
    for part, share in zip(parts, shares, strict=True):
        _write_header(part, run, share)
    found: list[RecordedRun] = []
    yield "read", lambda: found.extend(read_run(name, root=folder) for name in _PARTS)
    united: list[FinishedRun] = []
    whole = folder / _WHOLE
    yield "merge", lambda: united.append(unite(found, whole, grown, rerun=rerun))
    (finished,) = united
    moved = folder / _MOVED
    yield "merge --move", lambda: unite(found, moved, grown, rerun=rerun, move=True)
    # Each report is made from results that nothing has looked at.
    fresh = partial(_fresh, finished)
    yield "junit.xml", lambda: write_junit(whole / "junit.xml", fresh().ordered, rerun=rerun)
    yield "KTAP", lambda: write_ktap(io.StringIO(), fresh())
    yield (
        "terminal",
        lambda: print_report(console(io.StringIO()), fresh(), kept=Kept(whole / "matrix.txt")),
    )
    yield "matrix.txt", lambda: write_matrix(whole / "matrix.txt", fresh())
    yield "report.html", lambda: write_page(whole, grown)
    yield "compare", lambda: text(compare(*(read_run(_WHOLE, root=folder) for _ in _PARTS)))


def enlarged(
    run: RecordedRun, corpus: Corpus, cells: int
) -> tuple[Corpus, list[Result], dict[str, str]]:
    """Return a corpus with further names of the run's attacks, and at least so many results.

    The third value has the attack's own name by the further name.
    Raises UserError if the corpus lacks an attack of the run.
    """
    lines = list(run.cells.values())
    attacks = [line for line in lines if line.scenario not in REFERENCES]
    if not attacks or not all(line.scenario in corpus.scenarios for line in lines):
        raise UserError(
            f"the run {run.name} has no attack, or one that this version does not have",
            hint="name a run of this version",
        )
    scenarios = {line.scenario: corpus.scenarios[line.scenario] for line in lines}
    origins: dict[str, str] = {}
    number = 1
    while len(lines) < cells:
        number += 1
        for line in attacks:
            name = f"{line.scenario}_{number}"
            origins[name] = line.scenario
            scenarios[name] = replace(corpus.scenarios[line.scenario], name=name)
            lines.append(msgspec.structs.replace(line, scenario=name))
    grown = replace(corpus, scenarios=scenarios)
    return grown, [result_of(line, grown) for line in lines], origins


def _shares(results: Sequence[Result]) -> list[list[Result]]:
    """Divide the attacks between two runs. Each has the reference cells."""
    names = list(dict.fromkeys(result.cell.scenario for result in results))
    first = set(names[::2])
    return [
        [
            result
            for result in results
            if result.scenario.is_reference or (result.cell.scenario in first) is is_first
        ]
        for is_first in (True, False)
    ]


def _append(parts: Sequence[RunDirectory], shares: Sequence[Sequence[Result]]) -> None:
    for part, share in zip(parts, shares, strict=True):
        for result in share:
            part.append(result)


def _write_header(part: RunDirectory, run: RecordedRun, share: Sequence[Result]) -> None:
    lines = [line_of(result) for result in share]
    part.write_header(
        {
            **msgspec.structs.asdict(run.header),
            "selected": tuple(result.cell.id for result in share),
            "shard": None,
            "exit_status": exit_status(lines),
            "counts": {**counts(lines), "not_run": 0},
        }
    )


def _fresh(run: FinishedRun) -> FinishedRun:
    return replace(
        run, results={cell: msgspec.structs.replace(one) for cell, one in run.results.items()}
    )


def _link_evidence(source: Path, target: Path) -> None:
    if source.is_dir():
        target.mkdir()
        for entry in os.scandir(source):
            os.link(entry.path, f"{target}/{entry.name}")
