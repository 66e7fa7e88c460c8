# SPDX-License-Identifier: GPL-2.0-only
"""What the cells of a run cost: by number of machines, by number of cells, and in shards.

A cell is repeated under further names of its attack, so that one run has it several times.
"""

from __future__ import annotations

import os
import resource
import statistics
import time
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType, structs

from harness.host.errors import UserError
from harness.host.memory import peak_memory
from harness.host.pace import Pace, duration
from harness.judge.controls import closure
from harness.model.verdict import Verdict
from harness.report.text import plural
from harness.results.matrix_figures import (
    GrowthFigures,
    JobsFigures,
    LineFigures,
    ShardsFigures,
)
from harness.results.run_directory import RunDirectory
from harness.run.ledger import Ledger
from harness.run.pool import Pool
from harness.run.shard import Shard, planned
from harness.scenarios import REFERENCES
from harness.studies.cut_short import CutShort

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from harness.model.cell import Cell
    from harness.run.cell_runner import CellRunner
    from harness.scenarios.corpus import Corpus

TIMES = 4
"""How many times the longest run has each attack."""

SHARDS = 2

VARIANTS = ("baseline", "isolated", "kthread")
EXPRESSION = (
    "proc_mem_write or process_vm_readv or ptrace_seize or seize_at_start or cgroup_freeze "
    "or perf_count] or sigio_setown or escape_openat"
)
"""The cells that are run if none are named: attacks of different classes."""

_MILLI = 1000


@dataclass(frozen=True)
class Repeated:
    """Some cells, and the same under further names."""

    corpus: Corpus
    """The corpus with the further names."""

    rounds: tuple[tuple[Cell, ...], ...]
    """The reference cells, then the attacks' cells, once for each time."""

    @property
    def first(self) -> list[Cell]:
        """Each cell once."""
        return [*self.rounds[0], *self.rounds[1]]

    @property
    def every(self) -> list[Cell]:
        """All cells, in the order in which they run."""
        return [cell for cells in self.rounds for cell in cells]


def repeated(corpus: Corpus, cells: Sequence[Cell], times: int) -> Repeated:
    """Repeat the cells, with all cells that they rest on, so many times."""
    needed = closure(corpus, cells)
    rounds = [tuple(cell for cell in needed if cell.scenario in REFERENCES)]
    attacks = [cell for cell in needed if cell.scenario not in REFERENCES]
    scenarios = dict(corpus.scenarios)
    for number in range(1, times + 1):
        ending = "" if number == 1 else f"_{number}"
        for name in {cell.scenario for cell in attacks}:
            further = f"{name}{ending}"
            scenarios[further] = replace(corpus.scenarios[name], name=further)
        rounds.append(
            tuple(structs.replace(cell, scenario=cell.scenario + ending) for cell in attacks)
        )
    return Repeated(replace(corpus, scenarios=scenarios), tuple(rounds))


@dataclass(frozen=True)
class Measured:
    """Some cells that were run."""

    jobs: int
    errors: int
    seconds: float
    cpu_seconds: float
    memory_kib: int
    disk_bytes: int
    ended: tuple[float, ...]
    """When each cell ended, in seconds from the start, in this order."""
    ended_cpu: tuple[float, ...]
    """The seconds on a processor by then."""
    taken: dict[str, list[float]]
    """The seconds of each cell, by scenario."""

    def figures(self) -> JobsFigures:
        """Return the entry in the file of figures."""
        cells = len(self.ended)
        return JobsFigures(
            jobs=self.jobs,
            cells=cells,
            errors=self.errors,
            seconds=round(self.seconds, 3),
            cpu_seconds=round(self.cpu_seconds, 3),
            memory_mib=round(self.memory_kib / 1024, 1),
            disk_kib=round(self.disk_bytes / cells / 1024, 1),
        )


@dataclass(frozen=True)
class MatrixCost:
    """All that the study measured."""

    jobs: tuple[JobsFigures, ...]
    growth: GrowthFigures | UnsetType = UNSET
    shards: ShardsFigures | UnsetType = UNSET

    def lines(self) -> list[str]:
        """Return the lines that `bench` prints."""
        return [
            *map(_jobs_line, self.jobs),
            *(_growth_lines(self.growth) if self.growth else ()),
            *(_shards_lines(self.shards) if self.shards else ()),
        ]


@dataclass
class MatrixBench:
    """Runs cells again and again, in runs that are kept in `folder`."""

    lab: CellRunner
    cells: Repeated
    folder: Path
    progress: Callable[[str], None]
    jobs: Sequence[int]
    """The numbers of machines; the last one runs the longest run and the shards."""
    _pace: Pace = field(init=False)
    _done: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Start the clock of all that is to be done."""
        first, every, last = len(self.cells.first), len(self.cells.every), self.jobs[-1]
        # The shards have all cells together, and each has the reference cells.
        shards = every + (SHARDS - 1) * len(self.cells.rounds[0])
        total = sum(first * _share(count) for count in self.jobs)
        total += (first + every + shards) * _share(last)
        self._pace = Pace(total)

    @property
    def left(self) -> int:
        """What is left to do, in thousandths of a cell on one processor."""
        return self._pace.total - self._done

    def measure(self) -> MatrixCost:
        """Run each cell once with each number of machines, then the longest run and its shards.

        A first run makes the saved states. Raises UserError if the results cannot be written:
        CutShort if the cells ran with one number of machines before.
        """
        self._run("saved states", self.cells.first, self.jobs[-1])
        ran: list[JobsFigures] = []
        try:
            for number in self.jobs:
                ran.append(self._run(f"{number} at a time", self.cells.first, number).figures())
            growth, shards = self._grown()
        except UserError as error:
            if not ran:
                raise
            told = f"{len(ran)} of {len(self.jobs)} numbers of machines, without growth and shards"
            raise CutShort(error, MatrixCost(tuple(ran)), measured=told) from error
        return MatrixCost(tuple(ran), growth, shards)

    def _grown(self) -> tuple[GrowthFigures, ShardsFigures]:
        """Run the longest run, in which each attack has several turns, and the shards of it."""
        jobs, every = self.jobs[-1], self.cells.every
        whole = self._run("the longest run", every, jobs)
        seconds = {name: statistics.mean(taken) for name, taken in whole.taken.items()}
        shards = []
        for number in range(1, SHARDS + 1):
            shard = Shard(number, SHARDS)
            cells = planned(shard, self.cells.corpus, self._chosen(), seconds).cells
            ran = closure(self.cells.corpus, cells)
            shards.append(self._run(f"shard {shard}", ran, jobs))
        rounds = [len(cells) for cells in self.cells.rounds]
        return growth_of(whole, rounds), shards_of(whole, shards)

    def _chosen(self) -> list[Cell]:
        return [cell for cells in self.cells.rounds[1:] for cell in cells]

    def _run(self, what: str, cells: Sequence[Cell], jobs: int) -> Measured:
        """Run the cells as a run does, with its results on the disk. Raises UserError.

        A cell that ends in an error counts with its time, which a busy host may cause.
        """
        directory = RunDirectory.create(self.folder, what.replace("/", " of "))
        ledger = Ledger(directory, self.cells.corpus)
        pool = Pool(cells, corpus=self.cells.corpus, lab=self.lab, jobs=jobs)
        errors, ended, ended_cpu, taken = 0, [], [], dict[str, list[float]]()
        cpu, start = _cpu_seconds(), time.monotonic()
        with peak_memory() as peak:
            for event in pool.ended():
                cell, outcome = event.cell, event.outcome
                errors += outcome.verdict is Verdict.ERROR
                ledger.add(cell, outcome)
                ended.append(time.monotonic() - start)
                ended_cpu.append(_cpu_seconds() - cpu)
                taken.setdefault(cell.scenario, []).append(outcome.seconds)
                self._done += _share(jobs)
                left = self._pace.left(self._done)
                told = f", about {duration(left)} left in all" if left is not None else ""
                self.progress(f"matrix: cell {len(ended)} of {len(cells)}, {what}{told}")
        return Measured(
            jobs=jobs,
            errors=errors,
            seconds=time.monotonic() - start,
            cpu_seconds=_cpu_seconds() - cpu,
            memory_kib=peak.kib,
            disk_bytes=_disk_bytes(directory.path),
            ended=tuple(ended),
            ended_cpu=tuple(ended_cpu),
            taken=taken,
        )


def growth_of(whole: Measured, rounds: Sequence[int]) -> GrowthFigures:
    """Return the time of a run against its cells, which ran in `rounds` of so many cells."""
    ended = tuple(accumulate(rounds))
    return GrowthFigures(
        jobs=whole.jobs,
        ended=ended,
        wall=_line_through(ended, [whole.ended[count - 1] for count in ended]),
        cpu=_line_through(ended, [whole.ended_cpu[count - 1] for count in ended]),
    )


def _line_through(ended: Sequence[int], seconds: Sequence[float]) -> LineFigures:
    steps = [after - before for before, after in pairwise(seconds)]
    return LineFigures(
        seconds=tuple(round(one, 3) for one in seconds),
        seconds_a_cell=round(statistics.linear_regression(ended, seconds).slope, 4),
        determination=round(statistics.correlation(ended, seconds) ** 2, 5),
        last_over_first=round(steps[-1] / steps[0], 3),
    )


def shards_of(whole: Measured, shards: Sequence[Measured]) -> ShardsFigures:
    """Compare one run with its shards."""
    longest = max(one.seconds for one in shards)
    most = max(one.cpu_seconds for one in shards)
    return ShardsFigures(
        whole_seconds=round(whole.seconds, 3),
        shard_seconds=tuple(round(one.seconds, 3) for one in shards),
        efficiency=round(whole.seconds / (len(shards) * longest), 3),
        whole_cpu_seconds=round(whole.cpu_seconds, 3),
        shard_cpu_seconds=tuple(round(one.cpu_seconds, 3) for one in shards),
        cpu_efficiency=round(whole.cpu_seconds / (len(shards) * most), 3),
    )


def job_numbers(most: int) -> list[int]:
    """Return 1, 2, 4 and so on, and `most` as the last."""
    numbers = [1]
    while numbers[-1] * 2 < most:
        numbers.append(numbers[-1] * 2)
    return [*numbers, most] if most > 1 else numbers


def _share(jobs: int) -> int:
    """Return the time of a cell that so many machines share: for the time that is left."""
    return _MILLI // min(jobs, os.cpu_count() or 1)


def _cpu_seconds() -> float:
    """Return the seconds on a processor of this process, and of its machines that have ended."""
    every = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in every)


def _disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))


def _jobs_line(one: JobsFigures) -> str:
    """Return the line that `bench` prints for a number of machines."""
    return (
        f"{one.jobs} at a time: {one.cells} cells, {plural(one.errors, 'error')}, "
        f"{one.seconds / one.cells:.3f} s a cell, "
        f"{one.cpu_seconds / one.cells:.3f} s of a processor a cell, "
        f"{one.memory_mib:.0f} MiB, {one.disk_kib:.0f} KiB of disk a cell"
    )


def _growth_lines(one: GrowthFigures) -> list[str]:
    """Return the lines that `bench` prints for the growth."""
    return [
        f"{one.ended[-1]} cells, {one.jobs} at a time: {line.seconds[-1]:.1f} s {what}, "
        f"{line.seconds_a_cell:.3f} s for each further cell, R2 {line.determination:.4f}, "
        f"the last repetition took {line.last_over_first:.2f} of the first"
        for what, line in (("of wall time", one.wall), ("of a processor", one.cpu))
    ]


def _shards_lines(one: ShardsFigures) -> list[str]:
    """Return the lines that `bench` prints for the shards."""
    told = (
        ("of wall time", one.shard_seconds, one.whole_seconds, one.efficiency),
        ("of a processor", one.shard_cpu_seconds, one.whole_cpu_seconds, one.cpu_efficiency),
    )
    return [
        f"{len(shards)} shards: {' and '.join(f'{seconds:.1f}' for seconds in shards)} s {what}, "
        f"in one run {whole:.1f} s: efficiency {efficiency:.2f}"
        for what, shards, whole, efficiency in told
    ]
