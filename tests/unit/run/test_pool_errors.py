# SPDX-License-Identifier: GPL-2.0-only
"""Errors in the threads of the pool: the results of other cells stay, and the run can go on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

import pytest
from outcomes import ISOLATED
from scripted_lab import SmallLab
from small_corpus import AS_EXPECTED, CELLS, SMALL

from harness.judge.cells import all_cells
from harness.judge.controls import closure
from harness.judge.expectations import falls_short
from harness.model.verdict import Verdict
from harness.run.cluster import Worker
from harness.run.cluster_pool import ClusterPool
from harness.run.pool import Pool

if TYPE_CHECKING:
    from command_here import Here

    from harness.model.cell import Cell, Outcome
    from harness.scenarios.corpus import Corpus

pytest_plugins = ["command_here"]

NO_THREAD = "can't start new thread"
TOLD = (
    "the system starts no more threads; "
    "take fewer --jobs, or raise the limit of processes (ulimit -u)"
)


def start_no_thread(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Have the system start no thread whose name ends so."""
    plain = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name.endswith(names):
            raise RuntimeError(NO_THREAD)
        plain(thread)

    monkeypatch.setattr(threading.Thread, "start", start)


def break_judge(monkeypatch: pytest.MonkeyPatch, defect: BaseException) -> None:
    """Have the look at an outcome, which `run_rounds` takes, fail for one cell."""

    def broken(corpus: Corpus, cell: Cell, outcome: Outcome) -> bool:
        if cell == ISOLATED:
            raise defect
        return falls_short(corpus, cell, outcome)

    monkeypatch.setattr("harness.run.pool.falls_short", broken)


@pytest.mark.parametrize("number", [0, 1])
def test_a_thread_that_does_not_start_ends_the_run_with_one_line(
    here: Here, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The threads that have started end their cells, and these are kept."""
    with monkeypatch.context() as limited:
        start_no_thread(limited, f"cells-{number}")
        assert here.run("--jobs", "2") == 2
    assert here.error == f"umd-harness: {TOLD}\n"
    ran = here.ran()
    assert number or not ran
    header, _ = here.latest() if ran else ({"error": TOLD}, [])
    assert header["error"] == TOLD
    assert (here.run("--resume"), here.error) == (0, "")
    assert here.out.splitlines()[-1] == AS_EXPECTED
    assert len(ran) + len(here.ran()) == CELLS


def test_a_cell_that_cannot_start_a_thread_ends_the_run_with_one_line(here: Here) -> None:
    """Every other cell would fail in the same way."""
    script = {("isolated", "proc_mem_write"): RuntimeError(NO_THREAD)}
    assert here.run("--jobs", "1", script=script) == 2
    assert here.error == f"umd-harness: {TOLD}\n"
    header, lines = here.latest()
    ran = here.ran()
    assert 0 < len(lines) < len(ran) < CELLS
    assert header["error"] == TOLD
    assert (here.run("--resume"), here.error) == (0, "")
    assert len(here.ran()) == CELLS - len(ran) + 1


@pytest.mark.parametrize("defect", [ZeroDivisionError("of all things"), SystemExit("done")])
def test_a_defect_outside_of_a_cell_is_the_error_of_that_cell(
    here: Here, monkeypatch: pytest.MonkeyPatch, defect: BaseException
) -> None:
    break_judge(monkeypatch, defect)
    assert here.run("--jobs", "1") == 2
    assert here.error == ""
    header, lines = here.latest()
    assert len(lines) == CELLS
    assert (header["counts"]["not_run"], header["error"]) == (0, None)
    (wrong,) = [line for line in lines if line["verdict"] == "error"]
    name = type(defect).__name__
    assert wrong["detail"].endswith(f"the harness itself failed: {name}: {defect}")


def test_an_attack_that_ends_python_is_the_error_of_its_cell() -> None:
    """An attack of a user's own may call sys.exit()."""

    class Ending(SmallLab):
        def _run(self, cell: Cell, *, fresh: bool) -> Outcome:
            if cell == ISOLATED:
                raise SystemExit(1)
            return super()._run(cell, fresh=fresh)

    cells = closure(SMALL, all_cells(SMALL))
    ended = Pool(cells, corpus=SMALL, lab=Ending(), jobs=1).ended()
    found = {one.cell: one.outcome for one in ended}
    assert set(found) == set(cells)
    assert found[ISOLATED].verdict is Verdict.ERROR
    assert found[ISOLATED].detail == "the harness itself failed: SystemExit: 1"


class OneWorker:
    """A cluster of one worker, and the cargo that it has."""

    where = "tcp://10.0.0.1:8786"

    def workers(self) -> list[Worker]:
        return [Worker("tcp://10.0.0.1:1", 1, is_taking=True)]

    def deliver(self, _cluster: object, _worker: Worker) -> None:
        return None


def test_a_cluster_is_left_in_peace_if_no_thread_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run says why it ends, although no thread can tell the workers."""
    cluster = cast("Any", OneWorker())
    cells = closure(SMALL, [ISOLATED])
    run = ClusterPool(cells, corpus=SMALL, cluster=cluster, cargo=cluster)
    start_no_thread(monkeypatch, cells[0].id, "(call)")
    with pytest.raises(RuntimeError, match=NO_THREAD):
        list(run.events())
    run.abandon()
