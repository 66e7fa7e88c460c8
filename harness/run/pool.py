# SPDX-License-Identifier: GPL-2.0-only
"""The pool: runs cells on several threads, and reports their events."""

from __future__ import annotations

import queue
import threading
import time
import traceback
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from harness.host.children import kill_children
from harness.host.errors import UserError, mendable
from harness.judge.controls import control_of
from harness.judge.expectations import falls_short, has_won
from harness.judge.result import NO_VERDICT
from harness.model.attempt_end import AttemptEnd, End
from harness.model.cell import Cell, Outcome
from harness.model.verdict import Axes, Verdict, worst

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from harness.run.cell_runner import CellRunner
    from harness.scenarios.corpus import Corpus

ROUNDS = 3
"""The most rounds of an attack that falls short of its expectation, or loses."""

_ABANDONED = 5.0  # seconds that cells have to clean up after their machine was killed
_SILENCE = 900.0  # seconds without an event; all deadlines within a cell are far shorter


def run_rounds(
    corpus: Corpus,
    lab: CellRunner,
    cell: Cell,
    *,
    rounds: int = ROUNDS,
    due: Callable[[], int] = lambda: 1,
) -> Outcome:
    """Run a cell. An attack that falls short is retried, as an attacker would do.

    So is an attack that does not win, for as many rounds as are `due`: as many as its control took
    to win. Retries can only worsen a verdict. An `error` is never retried.
    """
    outcome = run_guarded(lab, cell)
    for number in range(2, rounds + 1):
        if outcome.verdict in NO_VERDICT:
            break
        if not falls_short(corpus, cell, outcome) and (
            has_won(corpus.scenario(cell), outcome) or number > due()
        ):
            break
        outcome = replace(_worse(corpus, cell, outcome, run_guarded(lab, cell)), rounds=number)
    return outcome


def _worse(corpus: Corpus, cell: Cell, before: Outcome, now: Outcome) -> Outcome:
    """Return the outcome of the round in which the attack got further, and any `error`."""
    if now.verdict in NO_VERDICT:
        return now
    if falls_short(corpus, cell, now) and not falls_short(corpus, cell, before):
        return before
    return now if worst((now.verdict, before.verdict)) is now.verdict else before


def run_guarded(lab: CellRunner, cell: Cell) -> Outcome:
    """Run a cell. A defect of the harness becomes an `error` of this cell alone.

    Raises UserError, also for an error of the system that the user can correct, because every
    other cell would fail in the same way.
    """
    return _guarded(lambda: lab.run(cell))


def _guarded(run: Callable[[], Outcome]) -> Outcome:
    """Return what `run` returns, or an `error`. An attack may also end Python (sys.exit).

    Raises UserError as `run_guarded` does.
    """
    try:
        return run()
    except UserError:
        raise
    except (Exception, SystemExit) as defect:
        if (told := mendable(defect)) is not None:
            raise told from defect
        what = f"the harness itself failed: {type(defect).__name__}: {defect}"
        return no_outcome(what, traceback=traceback.format_exc())


def no_outcome(detail: str, *, traceback: str = "") -> Outcome:
    """Return the `error` of a cell that has no outcome."""
    return Outcome(
        verdict=Verdict.ERROR,
        axes=Axes(),
        detail=detail,
        seconds=0.0,
        image="",
        attempt_end=AttemptEnd(End.UNKNOWN),
        traceback=traceback,
    )


@dataclass(frozen=True)
class Started:
    """A cell has started."""

    cell: Cell


@dataclass(frozen=True)
class Ended:
    """A cell has ended."""

    cell: Cell
    outcome: Outcome


@dataclass(frozen=True)
class Failed:
    """A cell failed in a way in which every other would fail. No further cell is started."""

    cell: Cell
    error: UserError


@dataclass(frozen=True)
class Stopping:
    """No further cell is started. The running cells end normally."""


@dataclass(frozen=True)
class Killing:
    """The running cells are to be killed. What ended before comes before."""


@dataclass(frozen=True)
class Told:
    """A line for the user."""

    text: str


Event = Started | Ended | Failed | Stopping | Killing | Told


class CellPool(Protocol):
    """Runs cells and reports their events: `Pool`, or the workers of a cluster."""

    def stop(self) -> None:
        """Start no further cell. May be called from a signal handler."""

    def kill(self) -> None:
        """Ask the caller of `events` to abandon the cells. May be called from a signal handler."""

    def abandon(self) -> None:
        """Kill the machines of the running cells. This waits a few seconds for them."""

    def events(self) -> Iterator[Event]:
        """Yield each event, until every cell has ended or the pool was stopped."""


class Pool:
    """Runs cells in order on several threads. `events` yields their events to the caller.

    A machine with several CPUs takes that many places: if machines share a CPU of the host, their
    handlers are slow even without an attack.

    The threads are daemons, so that a guest cannot keep the process from exiting. QEMU dies with
    the thread that started it.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        *,
        corpus: Corpus,
        lab: CellRunner,
        jobs: int,
        rounds: int = ROUNDS,
        known: Mapping[Cell, Outcome] | None = None,
    ) -> None:
        """Queue the cells. They start with the first event that `events` is asked for.

        A control that is `known` does not run; its outcome says how many rounds it took.
        """
        self._waiting: queue.SimpleQueue[Cell] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._corpus = corpus
        self._lab = lab
        self._rounds = rounds
        self._took: dict[Cell, Future[int]] = {}
        """The number of rounds of each cell that has started or is known, once it has ended."""
        for cell, outcome in (known or {}).items():
            self._took[cell] = Future()
            self._took[cell].set_result(outcome.rounds)
        self._jobs = max(1, jobs)
        self._turn = threading.Lock()
        self._places = threading.Semaphore(self._jobs)
        for cell in cells:
            self._waiting.put(cell)
        self._cells = cells
        self._threads = [
            threading.Thread(target=self._work, name=f"cells-{number}", daemon=True)
            for number in range(min(self._jobs, len(cells)))
        ]

    def stop(self) -> None:
        """Start no further cell. May be called from a signal handler: put() is reentrant."""
        self._stopped.set()
        self._events.put(Stopping())

    def kill(self) -> None:
        """Ask the caller of `events` to abandon the cells. May be called from a signal handler."""
        self._stopped.set()
        self._events.put(Killing())

    def abandon(self) -> None:
        """Kill the machines of the running cells, and let the cells clean up.

        This waits a few seconds for them. A cell that takes longer is abandoned.
        """
        self._stopped.set()
        deadline = time.monotonic() + _ABANDONED
        while any(thread.is_alive() for thread in self._threads) and time.monotonic() < deadline:
            kill_children()
            time.sleep(0.05)

    @property
    def stopped(self) -> bool:
        """Whether cells may not have been started."""
        return self._stopped.is_set()

    def events(self) -> Iterator[Event]:
        """Start the threads and yield each event, until every thread has ended.

        If the system does not start all threads, no further cell is started.
        """
        threads = 0
        for thread in self._threads:
            try:
                thread.start()
            except RuntimeError as error:
                if (told := mendable(error)) is None:
                    raise
                self._stopped.set()
                yield Failed(self._cells[threads], told)
                break
            threads += 1
        running: set[Cell] = set()
        while threads:
            try:
                event = self._events.get(timeout=_SILENCE)
            except queue.Empty:
                self._stopped.set()
                for cell in running:
                    yield Ended(cell, no_outcome(f"no cell started or ended for {_SILENCE:.0f} s"))
                return
            if event is None:
                threads -= 1
                continue
            if isinstance(event, Started):
                running.add(event.cell)
            elif isinstance(event, Ended | Failed):
                running.discard(event.cell)
            yield event

    def ended(self) -> Iterator[Ended]:
        """Yield the cells that have ended. Raises the UserError of a cell that failed."""
        for event in self.events():
            if isinstance(event, Failed):
                raise event.error
            if isinstance(event, Ended):
                yield event

    def _work(self) -> None:
        try:
            while (cell := self._start_next()) is not None:
                try:
                    self._events.put(self._run(cell))
                finally:
                    self._places.release(self._size(cell))
        finally:
            self._events.put(None)

    def _start_next(self) -> Cell | None:
        """Wait until the next cell has its places, and start it. None: no cell is left, or a stop.

        Only one thread waits at a time. Otherwise a cell with several places could wait for ever.
        """
        with self._turn:
            if self._stopped.is_set():
                return None
            try:
                cell = self._waiting.get_nowait()
            except queue.Empty:
                return None
            for _ in range(self._size(cell)):
                self._places.acquire()
            if self._stopped.is_set():  # while this thread was waiting
                self._places.release(self._size(cell))
                return None
            self._took.setdefault(cell, Future())
            self._events.put(Started(cell))
            return cell

    def _size(self, cell: Cell) -> int:
        """The number of places that the cell takes."""
        return min(self._corpus.scenario(cell).cpus, self._jobs)

    def _run(self, cell: Cell) -> Event:
        outcome: Outcome | None = None
        try:
            outcome = _guarded(
                lambda: run_rounds(
                    self._corpus, self._lab, cell, rounds=self._rounds, due=lambda: self._due(cell)
                )
            )
            return Ended(cell, outcome)
        except UserError as error:
            self._stopped.set()
            return Failed(cell, error)
        finally:
            took = self._took[cell]
            if not took.done():
                took.set_result(outcome.rounds if outcome else 1)

    def _due(self, cell: Cell) -> int:
        """Return how many rounds the cell's control took. Wait for the control if it runs."""
        control = control_of(self._corpus, cell)
        took = self._took.get(control)
        return took.result() if took and control != cell else 1
