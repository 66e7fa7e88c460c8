# SPDX-License-Identifier: GPL-2.0-only
"""One run of the matrix: runs the cells, shows and keeps the results, handles Ctrl-C."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from harness.host.errors import UserError, mendable
from harness.judge.controls import variants_needed
from harness.report.finished_run import FinishedRun
from harness.report.ktap import write_ktap
from harness.report.run_report import Extent, Kept, print_report
from harness.report.terminal import Screen
from harness.report.text import rerun_line
from harness.results.counts import counts, exit_status
from harness.results.result_line import line_of
from harness.results.run_directory import RunDirectory, now
from harness.results.run_name import new_run_name
from harness.run.grounds import Grounds
from harness.run.kept_cells import kept_cells
from harness.run.kept_reports import KeptReports
from harness.run.ledger import Ledger
from harness.run.pool import Ended, Failed, Killing, Pool, Started, Stopping, Told
from harness.run.stop_signals import StopSignals
from harness.run.vmcores import Vmcores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from harness.kernel.choice.kernel_choice import KernelChoice
    from harness.model.cell import Cell, Outcome
    from harness.results.shard_record import ShardRecord
    from harness.run.cell_runner import CellRunner
    from harness.run.cluster import Cluster
    from harness.run.kept_cells import KeptCells, Since
    from harness.run.pool import CellPool
    from harness.run.provenance import LabPreparer, PreparedLab
    from harness.run.stopped_run import StoppedRun
    from harness.scenarios.corpus import Corpus


@dataclass(frozen=True)
class RunPlan:
    """The cells to run, and how to run them.

    `needed` has the `chosen` cells, their controls and their reference cells. `choice` is the
    kernel that the user brought, if any.
    """

    line: str
    corpus: Corpus
    chosen: Sequence[Cell]
    needed: Sequence[Cell]
    jobs: int
    root: Path
    scenario_files: Sequence[Path] = ()
    keep_vmcores: bool = False
    variant_files: Sequence[Path] = ()
    choice: KernelChoice | None = None
    extent: Extent = Extent.FITTING
    arguments: Sequence[str] = ()
    """The command that gave the plan, for the run's header."""
    brought: Mapping[str, str] = field(default_factory=dict)
    """The hashes of the user's files, for the run's header."""
    failed_of: str | None = None
    """The name of the run in which the chosen cells were not as expected, if that chose them."""
    shard: ShardRecord | None = None
    """The shard that the chosen cells are, if they were divided."""
    since: Since | None = None
    """The earlier run whose cells are taken over if they rest on nothing that has changed."""
    stopped: StoppedRun | None = None
    """The run to go on with; None to begin one."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """What cells took in an earlier run, by scenario, for the time that is left."""
    name: str = ""
    """The name of the run to begin; empty for a name with the time when the lab is open."""
    cluster: Cluster | None = None
    """The cluster whose workers run the cells; None for this machine."""
    ktap: TextIO | None = None
    """The file for the results as KTAP, besides the report; None for no KTAP."""


def run_plan(plan: RunPlan, *, prepare_lab: LabPreparer, out: Console) -> int:
    """Run the plan and return the exit status.

    Raises UserError if the run could not go on, after the results so far are shown and kept.
    """
    run = _Run(plan, out)
    with ExitStack() as until_kept:
        with (
            Screen(
                plan.corpus,
                plan.needed,
                out,
                only_problems=plan.extent is Extent.PROBLEMS,
                seconds=plan.seconds,
            ) as screen,
            prepare_lab(
                plan.line, variants_needed(plan.corpus, plan.needed), screen.progress
            ) as opened,
        ):
            if plan.stopped:
                plan.stopped.check(opened.facts)
            pool = run.pool(opened)
            until_kept.enter_context(run.signals.stopping(pool))
            until_kept.enter_context(run.begun(opened, screen))
            run.go(pool, screen)
        return run.end()


class _Run:
    """The state of one run between its start and its end."""

    def __init__(self, plan: RunPlan, out: Console) -> None:
        self._plan = plan
        self.signals = StopSignals()
        self._out = out
        self._start = time.monotonic()
        self._started = now()
        self._before = 0.0
        """The seconds that earlier parts of the run took."""
        self._error: UserError | None = None
        self._broken: Exception | None = None
        self._vmcores: Vmcores | None = None
        self._kept: KeptCells | None = None

    def left(self, opened: PreparedLab) -> list[Cell]:
        """Return the cells to run: those of the plan that are not taken from an earlier run."""
        plan = self._plan
        self._grounds = Grounds(plan.corpus, opened)
        if plan.since is not None:
            self._kept = kept_cells(plan.since, plan.corpus, plan.needed, self._grounds)
        known = self.known
        return [cell for cell in plan.needed if cell not in known]

    @property
    def known(self) -> Mapping[Cell, Outcome]:
        """The outcomes that the run has from a stopped run or from an earlier one."""
        stopped = self._plan.stopped.outcomes if self._plan.stopped else {}
        return {**stopped, **(self._kept.outcomes if self._kept else {})}

    def pool(self, opened: PreparedLab) -> CellPool:
        """Return the pool that runs the cells that are left, here or on a cluster."""
        plan, left = self._plan, self.left(opened)
        known = self.known
        if plan.cluster is None:
            lab = self.lab_of(opened)
            return Pool(left, corpus=plan.corpus, lab=lab, jobs=plan.jobs, known=known)
        from harness.run.cargo import Cargo
        from harness.run.cluster_pool import ClusterPool

        cargo = Cargo(plan.line, opened, is_foreign=plan.choice is not None)
        return ClusterPool(left, corpus=plan.corpus, cluster=plan.cluster, cargo=cargo, known=known)

    def lab_of(self, opened: PreparedLab) -> CellRunner:
        """Return the cell runner. It keeps dumps if the plan asks for them. Raises UserError."""
        if not self._plan.keep_vmcores:
            return opened.lab
        self._vmcores = Vmcores(
            opened.lab, lambda cell: self._directory.folder(cell), self._plan.corpus
        )
        self._vmcores.check(variants_needed(self._plan.corpus, self._plan.needed))
        return self._vmcores

    @contextmanager
    def begun(self, opened: PreparedLab, screen: Screen) -> Iterator[None]:
        """Make the run's folder, or take that of the stopped run; hold it until it is kept."""
        self._engine = opened.facts.engine
        if stopped := self._plan.stopped:
            self._go_on(stopped, screen)
            yield
            return
        self._directory = RunDirectory.create(self._plan.root, self._plan.name or new_run_name())
        with self._directory.held():
            self._directory.announce()
            self._ledger = self._new_ledger()
            self._note(
                started=self._started,
                finished=None,
                line=self._plan.line,
                arguments=self._plan.arguments,
                selected=[cell.id for cell in self._plan.chosen],
                jobs=self._plan.jobs,
                scenario_files=[str(path) for path in self._plan.scenario_files],
                variant_files=[str(path) for path in self._plan.variant_files],
                brought=self._plan.brought,
                failed_of=self._plan.failed_of,
                shard=self._plan.shard,
                since=self._plan.since.run.name if self._plan.since else None,
                **msgspec.structs.asdict(opened.facts),
            )
            self._take_over(screen)
            yield

    def _go_on(self, stopped: StoppedRun, screen: Screen) -> None:
        """Take what the stopped run has, and note that it has not ended."""
        self._directory = stopped.directory
        self._before = stopped.header.seconds or 0.0
        self._ledger = self._new_ledger()
        self._note(
            resumed=[*stopped.header.resumed, self._started],
            finished=None,
            exit_status=None,
            counts={},
            stopped_by=None,
            error=None,
        )
        for said in stopped.mend(self._plan.corpus, self._plan.needed):
            screen.say(said)
        for result in self._ledger.recall(stopped.outcomes):
            screen.known(result)

    def _new_ledger(self) -> Ledger:
        return Ledger(self._directory, self._plan.corpus, grounds=self._grounds.digest)

    def _take_over(self, screen: Screen) -> None:
        """Take the cells of the earlier run that rest on nothing that has changed."""
        kept = self._kept
        if kept is None:
            return
        self._keep(partial(kept.take, self._directory))
        for result in self._ledger.recall(kept.outcomes):
            screen.known(result)
        again = f", and {len(kept.repeated)} of its cells run again" if kept.repeated else ""
        screen.say(f"kept from {kept.since.run.name}: {len(kept.outcomes)} cells{again}")

    def go(self, pool: CellPool, screen: Screen) -> None:
        """Run the cells until the last has ended or the run is stopped.

        An error of the harness itself is raised by `end`, once the results are kept.
        """
        try:
            self._follow(pool, screen)
            for result in self._ledger.close():
                screen.final(result)
            self._error = self._error or self._ledger.lost
            if self._kept and not self._error:
                self._kept.check(self._ledger.results)
        except UserError as error:
            self._error = self._error or error
            pool.abandon()
        except Exception as error:
            if (told := mendable(error)) is not None:
                self._error = self._error or told
            else:
                self._broken = error
            pool.abandon()
            with suppress(Exception):  # it may be broken by the same
                self._ledger.close()

    def end(self) -> int:
        """Show and keep the results; return the exit status or raise UserError."""
        results = list(self._ledger.results.values())
        lines = [line_of(result) for result in results]
        missing = len(self._plan.needed) - len(results)
        is_whole = not (missing or self._error or self._broken or self._ledger.unsaved)
        status = exit_status(lines) if is_whole else 2
        if self.signals.number and not (self._error or self._broken):  # which are raised
            status = 128 + self.signals.number
        seconds = self._before + time.monotonic() - self._start
        report = self._report(seconds)
        reports = KeptReports(report)
        is_noted = False
        if self._directory.removed() != self._directory.path:
            is_noted = self._note(
                finished=now(),
                seconds=round(seconds, 3),
                exit_status=status,
                counts={**counts(lines), "not_run": missing},
                stopped_by=self.signals.name,
                error=self._failure(),
            )
            self._keep(reports.write)
            self._keep(reports.write_page)
        is_kept = is_noted and not self._ledger.unsaved and reports.are_written
        kept = Kept(reports.matrix if is_kept else None, reports.page)
        if self._plan.ktap:
            write_ktap(self._plan.ktap, report)
        try:
            print_report(self._out, report, kept=kept, extent=self._plan.extent)
        except OSError:
            if not self.signals.number:  # else the terminal was closed, as the status says
                raise
        self._raise_trouble(is_kept=is_kept)
        return status

    def _failure(self) -> str | None:
        if self._broken:
            return f"{type(self._broken).__name__}: {self._broken}"
        return str(self._error) if self._error else None

    def _report(self, seconds: float) -> FinishedRun:
        return FinishedRun(
            corpus=self._plan.corpus,
            cells=self._plan.needed,
            results=self._ledger.results,
            seconds=seconds,
            where=self._directory.path,
            notes=self._dumps_told(),
            rerun=partial(
                rerun_line,
                corpus=self._plan.corpus,
                choice=self._plan.choice,
                engine=self._engine,
            ),
        )

    def _dumps_told(self) -> dict[Cell, str]:
        if self._vmcores is None:
            return {}
        return self._vmcores.told(self._directory.path, self._ledger.outcomes.items())

    def _raise_trouble(self, *, is_kept: bool) -> None:
        if self._broken:
            raise self._broken
        if self._error:
            raise self._error
        if self._ledger.trouble is not None and not is_kept:
            raise UserError(
                f"some results could not be written to {self._directory.path}: "
                f"{self._ledger.trouble.strerror or self._ledger.trouble}",
                hint="the report above has them; correct the cause and run again",
            ) from self._ledger.trouble

    def _follow(self, pool: CellPool, screen: Screen) -> None:
        for event in pool.events():
            match event:
                case Started(cell):
                    screen.started(cell)
                case Ended(cell, outcome):
                    screen.ended(cell)
                    for result in self._ledger.add(cell, outcome):
                        screen.final(result)
                    self._stop_if_lost(pool, screen)
                case Failed(_, error):
                    self._error = self._error or error
                case Told(text):
                    screen.say(text)
                case Stopping():
                    screen.say("stopping after the running cells; press Ctrl-C again to kill them")
                    if self.signals.number:
                        screen.say("`run --resume` goes on with the run later")
                case Killing():
                    screen.say("stopping now: the running cells are killed")
                    pool.abandon()
                    return

    def _stop_if_lost(self, pool: CellPool, screen: Screen) -> None:
        if self._ledger.lost and not self._error:
            self._error = self._ledger.lost
            pool.stop()  # first: a busy host may take long to print
            screen.say(self._error.message)

    def _note(self, **facts: Any) -> bool:
        return self._keep(partial(self._directory.write_header, facts))

    def _keep(self, write: Callable[[], None]) -> bool:
        """Write to the run's folder; return whether that was done. An error is told at the end."""
        try:
            write()
        except OSError as error:
            self._ledger.trouble = error
        except UserError as error:  # run.json was changed meanwhile
            self._error = self._error or error
        else:
            return True
        return False
