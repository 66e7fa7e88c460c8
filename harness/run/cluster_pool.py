# SPDX-License-Identifier: GPL-2.0-only
"""The pool of `run --on`: runs cells on the workers of a Dask cluster, and reports their events.

Each cell is a task that one worker alone may run, so that it is known which worker loses it. Dask
says which workers there are: it drops one that dies, and one whose heartbeat stops. The cells of
such a worker go to others. Only the newest task of a cell counts.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from harness.host.errors import UserError
from harness.judge.controls import control_of
from harness.model.cell import Outcome
from harness.report.text import plural
from harness.run import cluster_worker
from harness.run.cluster_worker import KILLING_SECONDS, Refusal
from harness.run.pool import (
    ROUNDS,
    Ended,
    Event,
    Failed,
    Killing,
    Started,
    Stopping,
    Told,
    no_outcome,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence

    from distributed import Future

    from harness.model.cell import Cell
    from harness.run.cargo import Cargo
    from harness.run.cluster import Cluster, Worker
    from harness.scenarios.corpus import Corpus

LOSSES = 3
"""How often a cell is lost with its worker until that is its outcome."""

_LOOK = 1.0  # seconds between two looks at the workers
_SILENT = 300.0  # seconds in which the scheduler has to say which workers there are
_CELL = 900.0  # seconds of a cell; all deadlines within a cell are far shorter
_RETURN = 120.0  # seconds until a run without workers ends: Dask's nanny starts a new one at once
_SENDING = 4  # workers that are sent images at a time
_CLOSING = 2.0  # seconds that workers get to hear of the end


@dataclass(frozen=True)
class _Present:
    """The workers that there are."""

    workers: list[Worker]


@dataclass(frozen=True)
class _Asked:
    """What a worker has answered: it is ready, or it refuses."""

    worker: Worker
    refusal: Refusal | None


@dataclass(frozen=True)
class _Over:
    """A task has ended, with an outcome or in another way."""

    task: _Task
    gave: Outcome | Refusal | BaseException


@dataclass(frozen=True)
class _NoScheduler:
    """The run cannot go on."""

    error: UserError


@dataclass(eq=False)
class _Task:
    """A cell on a worker."""

    cell: Cell
    worker: Worker
    size: int
    start: float = field(default_factory=time.monotonic)
    future: Future[Any] | None = None


@dataclass
class _Member:
    """A worker that takes part."""

    worker: Worker
    tasks: list[_Task] = field(default_factory=list)

    @property
    def free(self) -> int:
        return self.worker.places - sum(task.size for task in self.tasks)


class ClusterPool:
    """Runs cells in order on the workers that are ready. `events` yields their events.

    A worker is ready once its code and its QEMU are those of the run, and it has the images. It
    takes a cell for each of its threads, or fewer with several CPUs. A cell that was lost with a
    worker gets the next one for itself, so that no other cell is lost by its fault again.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        *,
        corpus: Corpus,
        cluster: Cluster,
        cargo: Cargo,
        rounds: int = ROUNDS,
        known: Mapping[Cell, Outcome] | None = None,
    ) -> None:
        """Queue the cells. They start with the first event that `events` is asked for.

        A control that is `known` does not run; its outcome says how many rounds it took.
        """
        self._waiting = deque(cells)
        self._corpus = corpus
        self._cluster = cluster
        self._cargo = cargo
        self._rounds = rounds
        self._took = {cell: outcome.rounds for cell, outcome in (known or {}).items()}
        """The number of rounds of each cell that has ended."""
        self._left = set(cells)
        """The cells that have not ended."""
        self._notes: SimpleQueue[Any] = SimpleQueue()
        self._stopped = threading.Event()
        self._closed = threading.Event()
        self._sending = threading.Semaphore(_SENDING)
        self._numbers = itertools.count(1)
        self._asked: dict[str, Worker] = {}
        """By address, like the next ones: the workers that have not answered yet."""
        self._refused: dict[str, str] = {}
        self._members: dict[str, _Member] = {}
        self._losses: dict[Cell, list[str]] = {}
        self._has_lost = False
        """Whether a worker is gone, and may return."""
        self._alone: float | None = None
        """Since when there is no worker but those that were refused."""

    def stop(self) -> None:
        """Start no further cell. May be called from a signal handler: put() is reentrant."""
        self._stopped.set()
        self._notes.put(Stopping())

    def kill(self) -> None:
        """Ask the caller of `events` to abandon the cells. May be called from a signal handler."""
        self._stopped.set()
        self._notes.put(Killing())

    def abandon(self) -> None:
        """Have the workers kill the machines of the running cells. This waits a few seconds."""
        self._stopped.set()
        self._tell(cluster_worker.kill_cells, seconds=KILLING_SECONDS)

    def events(self) -> Iterator[Event]:
        """Yield each event, until every cell has ended or the run cannot go on."""
        threading.Thread(target=self._watch, name="workers", daemon=True).start()
        try:
            while self._is_running or (self._waiting and not self._stopped.is_set()):
                yield from self._fill()
                yield from self._take(self._next())
        finally:
            self._closed.set()
            self._tell(cluster_worker.close_lab, seconds=_CLOSING)

    @property
    def _is_running(self) -> bool:
        return any(member.tasks for member in self._members.values())

    def _next(self) -> Any:
        try:
            return self._notes.get(timeout=_SILENT)
        except Empty:
            return _NoScheduler(self._cluster.gone(f"silent for {_SILENT:.0f} s"))

    def _take(self, note: Any) -> Iterator[Event]:
        match note:
            case Stopping() | Killing():
                yield note
            case _Present(workers):
                yield from self._meet(workers)
            case _Asked(worker, refusal) if self._asked.get(worker.address) is worker:
                del self._asked[worker.address]
                if refusal:
                    self._refused[worker.address] = refusal.message
                    yield Told(
                        f"the worker {worker} takes no part: {refusal.message}; {refusal.hint}"
                    )
                else:
                    self._members[worker.address] = _Member(worker)
            case _Over(task, gave):
                yield from self._end(task, gave)
            case _NoScheduler(error):
                yield self._fail(error)

    def _fill(self) -> Iterator[Event]:
        """Start the cells that have a place. The first that has none keeps the others waiting."""
        while (cell := self._next_cell()) is not None and not self._stopped.is_set():
            fitting = [
                one
                for one in self._members.values()
                if one.worker.is_taking and one.free >= self._size(cell, one)
            ]
            if not fitting:
                return
            before = self._losses.get(cell, ())
            member = max(fitting, key=lambda one: (one.worker.address not in before, one.free))
            self._waiting.remove(cell)
            task = _Task(cell, member.worker, self._size(cell, member))
            member.tasks.append(task)
            threading.Thread(target=self._run, args=(task,), name=cell.id, daemon=True).start()
            yield Started(cell)

    def _next_cell(self) -> Cell | None:
        """Return the first cell that waits and whose control has ended."""

        def is_ready(cell: Cell) -> bool:
            control = control_of(self._corpus, cell)
            return control == cell or control not in self._left

        return next(filter(is_ready, self._waiting), None)

    def _ended(self, cell: Cell, outcome: Outcome) -> Ended:
        self._left.discard(cell)
        self._took[cell] = outcome.rounds
        return Ended(cell, outcome)

    def _size(self, cell: Cell, member: _Member) -> int:
        """The number of places that the cell takes: all, if it was lost before."""
        places = member.worker.places
        return places if cell in self._losses else min(self._corpus.scenario(cell).cpus, places)

    def _meet(self, workers: Sequence[Worker]) -> Iterator[Event]:
        """Take note of workers that came or went, and of tasks that do not end."""
        there = {worker.address: worker for worker in workers}
        for one in (self._asked, self._refused):
            for address in one.keys() - there.keys():
                del one[address]
        for address, member in list(self._members.items()):
            if address not in there:
                self._has_lost = True
                yield from self._lose(member, "is gone")
                continue
            member.worker = there[address]
            if any(time.monotonic() - task.start > _CELL for task in member.tasks):
                self._refused[address] = f"it did not end a cell in {_CELL:.0f} s"
                yield from self._lose(member, f"did not end a cell in {_CELL:.0f} s")
        for address in there.keys() - {*self._asked, *self._refused, *self._members}:
            if there[address].is_taking:
                self._asked[address] = there[address]
                threading.Thread(target=self._ask, args=(there[address],), daemon=True).start()
        yield from self._end_if_alone()

    def _end_if_alone(self) -> Iterator[Event]:
        """End the run if no worker is ready, and none can be expected."""
        if self._members or self._asked or not self._waiting:
            self._alone = None
            return
        now = time.monotonic()
        self._alone = self._alone or now
        can_return = self._has_lost or not self._refused
        if now - self._alone >= (_RETURN if can_return else 0.0):
            refused = "".join(f"; {address}: {why}" for address, why in self._refused.items())
            yield self._fail(
                UserError(
                    f"no worker of {self._cluster.where} can run cells{refused}",
                    hint="see to the workers, then `umd-harness run --resume --on` goes on",
                )
            )

    def _fail(self, error: UserError) -> Failed:
        """End the run. Cells may be without a place, or on workers that nobody hears of."""
        self._stopped.set()
        running = [task.cell for member in self._members.values() for task in member.tasks]
        self._members.clear()
        return Failed([*running, *self._waiting][0], error)

    def _lose(self, member: _Member, why: str) -> Iterator[Event]:
        """Give the cells of a worker to others."""
        del self._members[member.worker.address]
        number = len(member.tasks)
        go = f"{plural(number, 'cell')} of it {'goes' if number == 1 else 'go'} to others"
        yield Told(f"the worker {member.worker} {why}" + (f"; {go}" if number else ""))
        for task in reversed(member.tasks):
            if task.future is not None:
                task.future.cancel()
            losses = self._losses.setdefault(task.cell, [])
            losses.append(f"{member.worker} {why}")
            if len(losses) == LOSSES:
                what = f"lost {LOSSES} times: {'; '.join(losses)}"
                yield self._ended(task.cell, no_outcome(what))
            elif not self._stopped.is_set():
                self._waiting.appendleft(task.cell)

    def _end(self, task: _Task, gave: Outcome | Refusal | BaseException) -> Iterator[Event]:
        """Take what a task gave, unless its cell has gone to another worker."""
        member = self._members.get(task.worker.address)
        if member is None or task not in member.tasks:
            return
        if isinstance(gave, Outcome):
            member.tasks.remove(task)
            yield self._ended(task.cell, gave)
        elif isinstance(gave, Refusal):
            self._refused[task.worker.address] = gave.message
            yield from self._lose(member, f"takes no part any more: {gave.message}; {gave.hint}")
        else:  # also of a process that was started again at the same address
            self._has_lost = True
            yield from self._lose(member, f"lost a cell: {type(gave).__name__}: {gave}")

    def _run(self, task: _Task) -> None:
        """Run a task on its worker."""
        key = f"{task.cell.id}-{self._cargo.order.token}-{next(self._numbers)}"
        due = self._took.get(control_of(self._corpus, task.cell), 1)
        arguments = (self._cargo.order.token, task.cell, self._rounds, due)
        try:
            task.future = self._cluster.submit(
                task.worker, key, cluster_worker.run_cell, *arguments
            )
            gave = task.future.result()
        except BaseException as error:  # whatever the worker's Python raised
            gave = error
        self._notes.put(_Over(task, gave))

    def _ask(self, worker: Worker) -> None:
        """Bring a worker the cargo."""
        with self._sending:
            self._notes.put(_Asked(worker, self._cargo.deliver(self._cluster, worker)))

    def _watch(self) -> None:
        """Say again and again which workers there are."""
        while not self._closed.is_set():
            try:
                self._notes.put(_Present(self._cluster.workers()))
            except UserError as error:
                self._notes.put(_NoScheduler(error))
                return
            self._closed.wait(_LOOK)

    def _tell(self, function: Callable[[str], Coroutine[Any, Any, None]], seconds: float) -> None:
        """Call a function on all workers, and wait for them. One that is lost hears nothing."""

        def call(worker: Worker) -> None:
            with suppress(Exception):
                self._cluster.call(worker, function, self._cargo.order.token)

        threads = []
        for member in self._members.values():
            thread = threading.Thread(target=call, args=(member.worker,), daemon=True)
            with suppress(RuntimeError):  # the system starts no thread: its worker hears nothing
                thread.start()
                threads.append(thread)
        deadline = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
