# SPDX-License-Identifier: GPL-2.0-only
"""The part of a pytest session that runs cells. Each cell runs once, in one of the workers.

The lab is opened before the first test that needs it, outside of that test, because a build may
take longer than a test's time limit.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest
from filelock import Timeout

from harness.engines import ENGINES
from harness.host.errors import UserError, mendable
from harness.host.paths import cache_dir
from harness.judge.conclusion import conclude, is_as_expected
from harness.judge.controls import closure, control_of, rests_on, variants_needed
from harness.pytest_plugin.relay import tell
from harness.pytest_plugin.settings import told
from harness.report.progress import PlainProgress
from harness.report.text import explain, rerun_line, visible
from harness.results.run_directory import RunDirectory, now
from harness.run import provenance
from harness.run.grounds import Grounds
from harness.run.pool import run_rounds
from harness.run.request import supported_cells
from harness.run.shard import planned

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from harness.judge.result import Result
    from harness.kernel.choice.kernel_choice import KernelChoice
    from harness.model.cell import Cell, Outcome
    from harness.pytest_plugin.settings import Settings
    from harness.results.shard_record import ShardRecord
    from harness.run.request import Request

_BUILD_DEADLINE = 2 * 3600.0  # seconds to wait for another worker that builds


class ScenarioSession:
    """Opens the lab before the first cell, runs cells, and keeps their results.

    It is a separate pytest plugin, registered only in sessions with scenario tests.
    """

    def __init__(
        self,
        config: pytest.Config,
        directory: Path,
        settings: Settings,
        asked: Request,
    ) -> None:
        """Store what to run, and the run's folder; files are created before the first cell."""
        self.gave_up = False
        """Whether an error stopped the session, so that no further test may run."""
        self._config = config
        self._directory = directory
        self._run_directory = RunDirectory(directory)
        self._stack = ExitStack()
        self._opened: provenance.PreparedLab | None = None
        self._outcomes: dict[Cell, Outcome] = {}
        self._settings = settings
        self._asked = asked
        self._corpus = asked.corpus
        self._kernel = asked.kernel
        self._lacking: Mapping[str, str] = {}
        """The variants that the user's own kernel does not support, and why not."""
        self._merged: Sequence[str] = ()
        """What was merged or left out where the user's patches did not apply."""
        self._shard: ShardRecord | None = None
        self._tell = PlainProgress(self._write)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Open the lab before pytest-timeout starts its clock."""
        is_ours = "scenario_cell" in getattr(item, "fixturenames", ())
        if is_ours and self._opened is None and not self.gave_up:
            try:
                self._open(item.session)
            except UserError as error:
                self._give_up(item.session, error)
            except OSError as error:
                if (mended := mendable(error)) is None:
                    raise
                self._give_up(item.session, mended)
        return (yield)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Deselect the cells of other shards, of those that pytest's own -k and -m have kept."""
        shard = self._settings.shard()
        if shard is None:
            return
        try:
            seconds = self._settings.seconds()
        except UserError as error:
            raise pytest.UsageError(told(error)) from error
        part = planned(shard, self._corpus, list(_cells(items)), seconds)
        self._shard, mine = part.record, set(part.cells)
        others = [item for item in items if (cell := _cell(item)) and cell not in mine]
        items[:] = [item for item in items if item not in set(others)]
        if others:
            config.hook.pytest_deselected(items=others)

    def pytest_unconfigure(self) -> None:
        """Close the lab."""
        self._stack.close()

    def check(self, cell: Cell, session: pytest.Session) -> None:
        """Run the cell and the cells its result depends on, unless a worker has run them.

        The test fails unless the result is the expected one, with the reason, the folders of the
        evidence and the command that repeats the cell. It is skipped if the cell is n/a. A known
        hole is an expected failure (xfail); if the hole no longer loses, the test fails.
        """
        if why := self._lacking.get(cell.variant):
            pytest.skip(f"{cell.line} does not support {cell.variant}: {why}")
        try:
            result = self._result(cell)
        except UserError as error:
            self._give_up(session, error)
            pytest.fail(told(error), pytrace=False)
        except OSError as error:
            unwritten = self._unwritten(error)
            self._give_up(session, unwritten)
            pytest.fail(told(unwritten), pytrace=False)
        if not result.ok:
            pytest.fail("\n".join(self._reasons(result)), pytrace=False)
        if result.axes is None:
            pytest.skip(visible(result.detail))
        if result.hole is not None:
            pytest.xfail(f"known hole, {result.verdict}: {visible(result.hole)}")

    def _unwritten(self, error: OSError) -> UserError:
        """Return what to tell of results that the disk does not take."""
        known = mendable(error)
        kept = "the results written so far are kept"
        return UserError(
            f"results cannot be written to {self._directory}: {error.strerror or error}",
            hint=f"{kept}; {known.hint}" if known else kept,
        )

    def _reasons(self, result: Result) -> Iterator[str]:
        """Yield why the test fails, where the evidence is, and how to repeat the cell.

        The evidence is that of the cell, and of each cell that it depends on and that came out
        otherwise than expected.
        """
        yield f"{result.cell.id}: {explain(result)}"
        for cell in (result.cell, *rests_on(self._corpus, result.cell)):
            if cell == result.cell or not is_as_expected(self._corpus, cell, self._outcomes[cell]):
                yield f"evidence: {visible(str(self._run_directory.folder(cell)))}"
        yield rerun_line(result, self._corpus, self._kernel, engine=self._asked.engine)

    def _result(self, cell: Cell) -> Result:
        run = self._run_directory
        for needed in closure(self._corpus, [cell]):
            if needed not in self._outcomes:
                self._outcomes[needed] = run.once(needed, self._run)
        for needed in closure(self._corpus, [cell]):
            run.append(conclude(self._corpus, needed, self._outcomes))
        return conclude(self._corpus, cell, self._outcomes)

    def _run(self, cell: Cell) -> Outcome:
        assert self._opened is not None  # noqa: S101 - the hook above has opened it
        control = self._outcomes.get(control_of(self._corpus, cell))
        due = control.rounds if control else 1
        outcome = run_rounds(self._corpus, self._opened.lab, cell, due=lambda: due)
        return replace(outcome, rests_on=self._grounds.digest(cell))

    def _open(self, session: pytest.Session) -> None:
        run = RunDirectory.create(self._directory.parent, self._directory.name)
        try:
            with run.lock("lab").acquire(timeout=_BUILD_DEADLINE):
                cells = list(_cells(session.items))
                if self._kernel:
                    cells = self._build(self._kernel, cells)
                opened = provenance.prepare_lab(
                    self._asked.line,
                    variants_needed(self._corpus, cells),
                    self._tell,
                    corpus=self._corpus,
                    choice=self._kernel,
                    engine=self._asked.engine,
                )
                self._opened = self._stack.enter_context(opened)
                self._grounds = Grounds(self._corpus, self._opened)
                if run.header().started is None:
                    run.announce()
                    for text in self._merged:
                        self._write(f"{self._asked.line}: {text}")
                    run.write_header(
                        {
                            "started": now(),
                            "finished": None,
                            "line": self._asked.line,
                            "scenario_files": [str(f) for f in self._settings.scenario_files],
                            "variant_files": [str(f) for f in self._settings.variant_files],
                            "shard": self._shard,
                            "selected": [cell.id for cell in cells] if self._shard else None,
                            **msgspec.structs.asdict(self._opened.facts),
                        }
                    )
        except Timeout as error:
            raise UserError(
                f"another worker has held {run.path} for {_BUILD_DEADLINE / 3600:.0f} hours",
                hint="end that worker, and start again",
            ) from error

    def _build(self, kernel: KernelChoice, cells: list[Cell]) -> list[Cell]:
        """Build the user's own kernel; return the cells on the variants that it supports."""
        from harness.kernel.choice.built import variants_of

        ENGINES[self._asked.engine].check()
        self._kernel = kernel.settled(cache=cache_dir())
        variants, self._lacking, self._merged = variants_of(
            self._kernel, self._corpus.variants, self._asked.asked, progress=self._tell
        )
        return supported_cells(cells, variants, self._asked.line)

    def _write(self, text: str) -> None:
        """Print progress if this process has the terminal; else pass it to the controller."""
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if hasattr(self._config, "workerinput") or reporter is None:
            tell(self._directory, text)
        else:
            reporter.ensure_newline()
            reporter.write_line(text)

    def _give_up(self, session: pytest.Session, error: UserError) -> None:
        """Stop the session with one line, because every further cell would fail the same way."""
        self.gave_up = True
        session.shouldstop = told(error)


def _cells(items: Iterable[pytest.Item]) -> Iterator[Cell]:
    """Yield the cells of those tests that have one."""
    return filter(None, map(_cell, items))


def _cell(item: pytest.Item) -> Cell | None:
    """Return the cell of a test; None for another test."""
    spec = getattr(item, "callspec", None)
    return spec.params.get("scenario_cell") if spec is not None else None


class AbortGuard:
    """A pytest plugin that skips the remaining tests after the session was stopped."""

    def __init__(self, session: ScenarioSession) -> None:
        """Guard the tests of `session`."""
        self._session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self) -> bool | None:
        """Return True, which ends the test's protocol, if the session was stopped.

        The hook of ScenarioSession cannot do that, because a wrapper must yield.
        """
        return self._session.gave_up or None
