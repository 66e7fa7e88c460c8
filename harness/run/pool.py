# SPDX-License-Identifier: GPL-2.0-only
"""The matrix: which cells there are, what each needs beside it, in which order, on which worker."""

from __future__ import annotations

import queue
import threading
import time
import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.host.children import kill_children
from harness.host.errors import UserError, mendable
from harness.judge.expectations import falls_short
from harness.model.attempt_end import AttemptEnd, End
from harness.model.cell import Cell, Outcome
from harness.model.verdict import Axes, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.run.cell_runner import CellRunner
    from harness.scenarios.corpus import Corpus

ROUNDS = 3
"""How often an attack is made that does not get as far as it should."""

_ABANDONED = 5.0  # seconds for cells whose machine was killed to remove what they made
_SILENCE = 900.0  # seconds without any cell starting or ending; each has far shorter deadlines


def run_rounds(corpus: Corpus, lab: CellRunner, cell: Cell, *, rounds: int = ROUNDS) -> Outcome:
    """Run a cell, again if the attack got less than it should: an attacker may come again.

    Going on can only show the handler worse off: what is better than it should be after the last
    round is reported as such. So is an `error`, at once.
    """
    for number in range(1, rounds + 1):
        outcome = replace(run_guarded(lab, cell), rounds=number)
        if not falls_short(corpus, cell, outcome):
            break
    return outcome


def run_guarded(lab: CellRunner, cell: Cell) -> Outcome:
    """Run a cell; a defect of the harness is an `error` of that cell, not the end of the rest.

    UserError passes, and what the system refused and a user can mend is one: what stopped this
    cell would stop every other.
    """
    try:
        return lab.run(cell)
    except UserError:
        raise
    except Exception as defect:
        if isinstance(defect, OSError) and (told := mendable(defect)) is not None:
            raise told from defect
        what = f"the harness itself failed: {type(defect).__name__}: {defect}"
        return no_outcome(what, witness={"traceback": traceback.format_exc()})


def no_outcome(detail: str, *, witness: dict[str, Any] | None = None) -> Outcome:
    """Return the `error` of a cell from which nothing came."""
    return Outcome(
        verdict=Verdict.ERROR,
        axes=Axes(),
        detail=detail,
        seconds=0.0,
        image="",
        attempt_end=AttemptEnd(End.UNKNOWN),
        witness=witness or {},
    )


@dataclass(frozen=True)
class Started:
    """A cell runs now."""

    cell: Cell


@dataclass(frozen=True)
class Ended:
    """A cell has run."""

    cell: Cell
    outcome: Outcome


@dataclass(frozen=True)
class Failed:
    """What stopped this cell would stop every other: no further one is started."""

    cell: Cell
    error: UserError


@dataclass(frozen=True)
class Stopping:
    """No further cell is started; those that run come to their end."""


Event = Started | Ended | Failed | Stopping


class Pool:
    """Runs cells in order on a few threads; `events` tells what happens, in the caller's thread.

    A machine with several CPUs takes the places of as many cells: where machines share a CPU of
    the host's, their handlers are slow without any attack.

    The threads are daemons: a caller that gives up is not held back by a guest, and QEMU dies
    with the thread that started it.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        *,
        corpus: Corpus,
        lab: CellRunner,
        jobs: int,
        rounds: int = ROUNDS,
    ) -> None:
        """Take the work; nothing starts before `events` is asked for."""
        self._waiting: queue.SimpleQueue[Cell] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._corpus = corpus
        self._lab = lab
        self._rounds = rounds
        self._jobs = max(1, jobs)
        self._turn = threading.Lock()
        self._places = threading.Semaphore(self._jobs)
        for cell in cells:
            self._waiting.put(cell)
        self._threads = [
            threading.Thread(target=self._work, name=f"cells-{number}", daemon=True)
            for number in range(min(self._jobs, len(cells)))
        ]

    def stop(self) -> None:
        """Start no further cell. May be called from a signal handler: put() is reentrant."""
        self._stopped.set()
        self._events.put(Stopping())

    def abandon(self) -> None:
        """End the running cells now: their machines are killed, and they tidy up after them.

        A cell without a machine gets a few seconds, and is left behind if that is not enough.
        """
        self._stopped.set()
        deadline = time.monotonic() + _ABANDONED
        while any(thread.is_alive() for thread in self._threads) and time.monotonic() < deadline:
            kill_children()
            time.sleep(0.05)

    @property
    def stopped(self) -> bool:
        """Whether cells may have been left out."""
        return self._stopped.is_set()

    def events(self) -> Iterator[Event]:
        """Start the threads and yield each event, until every thread has ended."""
        for thread in self._threads:
            thread.start()
        threads = len(self._threads)
        running: set[Cell] = set()
        while threads:
            try:
                event = self._events.get(timeout=_SILENCE)
            except queue.Empty:
                self._stopped.set()
                for cell in running:
                    yield Ended(cell, no_outcome(f"nothing came from it for {_SILENCE:.0f} s"))
                return
            if event is None:
                threads -= 1
                continue
            if isinstance(event, Started):
                running.add(event.cell)
            elif not isinstance(event, Stopping):
                running.discard(event.cell)
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
        """Wait for places for the next cell, and start it; nothing if there is none, or a stop.

        One after the other, or one that takes several places might wait to the end.
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
            if self._stopped.is_set():  # meanwhile
                self._places.release(self._size(cell))
                return None
            self._events.put(Started(cell))
            return cell

    def _size(self, cell: Cell) -> int:
        """How many places it takes."""
        return min(self._corpus.scenario(cell).cpus, self._jobs)

    def _run(self, cell: Cell) -> Event:
        try:
            return Ended(cell, run_rounds(self._corpus, self._lab, cell, rounds=self._rounds))
        except UserError as error:
            self._stopped.set()
            return Failed(cell, error)
