# SPDX-License-Identifier: GPL-2.0-only
"""`run --on`: the same results as on one machine, whatever happens to the workers.

Scheduler and workers are real processes of Dask; only the labs are scripted.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest.mock import ANY

import pytest
from command_line import DEADLINE, command, header_of, latest, read_until, umd_harness
from dask_cluster import DaskCluster, dask_cluster, wait_until
from scripted_lab import SmallLab, expected_outcome
from small_corpus import CELLS, SMALL, changed

from harness.model.cell import Cell
from harness.results.run_header import Provenance
from harness.run.cargo import Cargo
from harness.run.cluster import connected
from harness.run.cluster_pool import ClusterPool
from harness.run.code import code_digest
from harness.run.pool import Ended, Started
from harness.run.provenance import PreparedLab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TTL = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "10s"}
"""After how long without a heartbeat Dask drops a worker. Its nanny starts another one."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    with dask_cluster(tmp_path / "cluster") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The results of a run on this machine alone."""
    where = tmp_path_factory.mktemp("plain")
    assert umd_harness(where, "run").returncode == 0
    return results(where)


def results(where: Path) -> dict[str, dict[str, Any]]:
    """The line of each cell. A cell that is counted twice is found by the number of lines."""
    _, lines = latest(where)
    found = {
        "-".join(line[part] for part in ("line", "variant", "scenario")): line for line in lines
    }
    assert len(found) == len(lines)
    return found


def start(cluster: DaskCluster, where: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(["run", "--on", str(cluster.file), *arguments]),
        cwd=where,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, errors = process.communicate(timeout=DEADLINE)
    return process.returncode, out, errors


def test_a_cluster_gives_the_results_of_one_machine(
    cluster: DaskCluster, tmp_path: Path, plain: dict[str, Any]
) -> None:
    cluster.worker(threads=2)
    cluster.worker()
    cluster.wait_for_workers(2)
    cluster.hold.touch()
    process = start(cluster, tmp_path)
    wait_until(lambda: len(cluster.started()) == 3, process)
    cluster.hold.unlink()
    status, out, errors = ended(process)
    assert (status, errors) == (0, "")
    assert ", 3 at a time\n" in out
    assert "the worker" not in out, out
    assert results(tmp_path) == plain
    header = header_of(tmp_path)
    assert header["jobs"] == 3
    assert header["arguments"] == ["run", "--on", str(cluster.file)]
    assert Counter(cell for cell, _, _ in cluster.started()) == Counter(list(plain))
    assert max(many for _, _, many in cluster.started()) == 2
    outcome = tmp_path / "results/latest/cells/6.12-isolated-dev_mem"
    assert {"outcome.json", "witness.json", "attempt.json", "console.txt"} <= {
        path.name for path in outcome.iterdir()
    }


def test_a_machine_with_several_cpus_takes_as_many_threads(cluster: DaskCluster) -> None:
    cluster.worker(threads=2)
    cluster.wait_for_workers(1)
    corpus = changed(SMALL, "ptrace_seize", cpus=2)
    cells = [Cell("6.12", "baseline", name) for name in ("nothing", "ptrace_seize", "dev_mem")]
    facts = Provenance(code=code_digest(), qemu="none for 6.12")
    cargo = Cargo("6.12", PreparedLab(SmallLab(), facts), is_foreign=False)
    with connected(cluster.address) as connection:
        pool = ClusterPool(cells, corpus=corpus, cluster=connection, cargo=cargo)
        events = list(pool.events())
    assert events == [event for cell in cells for event in (Started(cell), ANY)]
    assert [event.cell for event in events if isinstance(event, Ended)] == cells
    assert {many for _, _, many in cluster.started()} == {1}


@pytest.mark.parametrize("is_known", [False, True])
def test_a_cell_starts_after_its_control_and_has_as_many_rounds(
    cluster: DaskCluster, *, is_known: bool
) -> None:
    cluster.worker(threads=2)
    cluster.wait_for_workers(1)
    control, attacked = (Cell("6.12", name, "proc_mem_write") for name in ("baseline", "isolated"))
    known = {control: replace(expected_outcome(SMALL, control), rounds=2)} if is_known else {}
    cells = [cell for cell in (control, attacked) if cell not in known]
    facts = Provenance(code=code_digest(), qemu="none for 6.12")
    cargo = Cargo("6.12", PreparedLab(SmallLab(), facts), is_foreign=False)
    with connected(cluster.address) as connection:
        pool = ClusterPool(cells, corpus=SMALL, cluster=connection, cargo=cargo, known=known)
        events = list(pool.events())
    assert events == [event for cell in cells for event in (Started(cell), ANY)]
    ends = [event.outcome for event in events if isinstance(event, Ended)]
    due = [expected_outcome(SMALL, cell) for cell in cells]
    rounds = 2 if is_known else 1
    assert [(one.verdict, one.detail, one.rounds) for one in ends] == [
        (one.verdict, one.detail, rounds) for one in due
    ]


def test_the_cells_of_a_worker_that_dies_go_to_others(
    cluster: DaskCluster, tmp_path: Path, plain: dict[str, Any]
) -> None:
    workers = [cluster.worker(), cluster.worker()]
    cluster.wait_for_workers(2)
    cluster.hold.touch()
    process = start(cluster, tmp_path)
    wait_until(lambda: len({pid for _, pid, _ in cluster.started()}) == 2, process)
    workers[0].kill()
    cluster.hold.unlink()
    status, out, errors = ended(process)
    assert (status, errors) == (0, "")
    assert "is gone; 1 cell of it goes to others" in out
    assert results(tmp_path) == plain
    (lost,) = [cell for cell, pid, _ in cluster.started() if pid == workers[0].pid]
    assert sum(cell == lost for cell, _, _ in cluster.started()) == 2


def test_the_cells_of_a_worker_that_hangs_go_to_others_and_count_once(
    tmp_path: Path, plain: dict[str, Any]
) -> None:
    with dask_cluster(tmp_path / "cluster", **TTL) as cluster:
        cluster.worker(nanny=True)
        cluster.worker(nanny=True)
        cluster.wait_for_workers(2)
        cluster.hold.touch()
        process = start(cluster, tmp_path)
        wait_until(lambda: len({pid for _, pid, _ in cluster.started()}) == 2, process)
        hung = cluster.started()[0][1]
        os.kill(hung, signal.SIGSTOP)
        cluster.hold.unlink()
        wait_until(lambda: _has_twice(cluster), process)
        with suppress(ProcessLookupError):  # the nanny may have killed it
            os.kill(hung, signal.SIGCONT)  # it wakes up, and ends its cell as well
        status, _, errors = ended(process)
        assert (status, errors) == (0, "")
        assert results(tmp_path) == plain


def _has_twice(cluster: DaskCluster) -> bool:
    return max(Counter(cell for cell, _, _ in cluster.started()).values()) > 1


def test_a_cell_that_kills_every_worker_ends_as_an_error(
    tmp_path: Path, plain: dict[str, Any]
) -> None:
    with dask_cluster(tmp_path / "cluster", POISON="process_vm_readv") as cluster:
        cluster.worker(threads=2, nanny=True)
        cluster.worker(threads=2, nanny=True)
        cluster.wait_for_workers(2)
        status, out, _ = ended(start(cluster, tmp_path, "--variant", "baseline"))
    assert status == 2, out
    found = results(tmp_path)
    (poison,) = [cell for cell, line in found.items() if line["verdict"] == "error"]
    assert poison == "6.12-baseline-process_vm_readv"
    assert found[poison]["detail"].startswith("lost 3 times: ")
    assert sum(cell == poison for cell, _, _ in cluster.started()) == 3
    others = {cell: line for cell, line in found.items() if cell != poison}
    assert others == {cell: plain[cell] for cell in others}
    assert len(others) == len([cell for cell in plain if "-baseline-" in cell]) - 1


def test_a_worker_that_is_not_alike_takes_no_part(
    cluster: DaskCluster, tmp_path: Path, plain: dict[str, Any]
) -> None:
    cluster.worker()
    cluster.worker(OTHER="QEMU emulator version 1.0")
    cluster.wait_for_workers(2)
    cluster.hold.touch()
    process = start(cluster, tmp_path)
    other = "its QEMU is not that of the run: QEMU emulator version 1.0 and none for 6.12"
    read_until(process, other)
    cluster.hold.unlink()
    status, _, errors = ended(process)
    assert (status, errors) == (0, "")
    assert len({pid for _, pid, _ in cluster.started()}) == 1
    assert results(tmp_path) == plain


def test_a_run_without_a_worker_that_can_run_cells_says_why(
    cluster: DaskCluster, tmp_path: Path
) -> None:
    cluster.worker(OTHER="QEMU emulator version 1.0")
    cluster.wait_for_workers(1)
    status, _, errors = ended(start(cluster, tmp_path))
    assert status == 2
    (line,) = errors.splitlines()
    assert line.startswith(f"umd-harness: no worker of {cluster.file} can run cells; tcp://")
    assert "its QEMU is not that of the run" in line


def test_a_worker_whose_disk_is_full_loses_its_cells_to_others(
    cluster: DaskCluster, tmp_path: Path, plain: dict[str, Any]
) -> None:
    cluster.worker(BROKEN="nothing")
    cluster.worker()
    cluster.wait_for_workers(2)
    cluster.hold.touch()
    process = start(cluster, tmp_path)
    wait_until(lambda: len({pid for _, pid, _ in cluster.started()}) == 2, process)
    cluster.hold.unlink()
    status, out, errors = ended(process)
    assert (status, errors) == (0, "")
    assert "takes no part any more: the disk is full; free some space; 1 cell" in out
    assert results(tmp_path) == plain


def test_a_signal_stops_and_resume_goes_on_elsewhere(
    cluster: DaskCluster, tmp_path: Path, plain: dict[str, Any]
) -> None:
    cluster.worker()
    cluster.wait_for_workers(1)
    cluster.hold.touch()
    process = start(cluster, tmp_path)
    wait_until(lambda: cluster.started(), process)
    process.send_signal(signal.SIGINT)
    read_until(process, "stopping after the running cells")
    cluster.hold.unlink()
    status, _, errors = ended(process)
    assert (status, errors) == (130, "")
    assert len(cluster.started()) == 1
    assert header_of(tmp_path)["counts"]["not_run"] == CELLS - 1
    assert umd_harness(tmp_path, "run", "--resume", "--on", cluster.address).returncode == 0
    assert results(tmp_path) == plain
    assert Counter(cell for cell, _, _ in cluster.started()) == Counter(list(plain))


def test_a_second_signal_kills_the_machines_on_the_workers(
    cluster: DaskCluster, tmp_path: Path
) -> None:
    work = cluster.folder / "work"
    work.mkdir()
    worker = cluster.worker(MACHINES="yes")
    cluster.wait_for_workers(1)
    process = start(cluster, tmp_path)
    wait_until(lambda: list(work.glob("*/pid")), process)
    process.send_signal(signal.SIGINT)
    read_until(process, "stopping after the running cells")
    process.send_signal(signal.SIGINT)
    status, out, errors = ended(process)
    assert (status, errors) == (130, "")
    assert "the running cells are killed" in out
    # The run does not wait for the worker of a busy host. By itself no machine would have ended.
    wait_until(lambda: not list(work.iterdir()), worker)


def test_a_scheduler_that_dies_ends_the_run_which_can_go_on(
    tmp_path: Path, plain: dict[str, Any]
) -> None:
    with dask_cluster(tmp_path / "cluster") as cluster:
        cluster.worker()
        cluster.wait_for_workers(1)
        cluster.hold.touch()
        process = start(cluster, tmp_path)
        wait_until(lambda: cluster.started(), process)
        cluster.schedulers[0].kill()
        status, _, errors = ended(process)
    assert status == 2
    (line,) = errors.splitlines()
    assert line.startswith(f"umd-harness: the scheduler {cluster.file} is gone: ")
    assert umd_harness(tmp_path, "run", "--resume").returncode == 0
    assert results(tmp_path) == plain


@pytest.mark.parametrize(
    "where", ["tcp://127.0.0.1:1", "nowhere.json", "broken.json", "odd://h:1", "tcp://h"]
)
def test_no_scheduler_is_one_line(tmp_path: Path, where: str) -> None:
    (tmp_path / "broken.json").write_text("{")
    done = umd_harness(tmp_path, "run", "--on", where)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert where in line
    assert not (tmp_path / "results").exists()


def test_no_workers_is_one_line(cluster: DaskCluster, tmp_path: Path) -> None:
    done = umd_harness(tmp_path, "run", "--on", cluster.address)
    hint = f"start some: dask worker {cluster.address}"
    said = f"umd-harness: the scheduler {cluster.address} has no workers; {hint}\n"
    assert (done.returncode, done.stderr) == (2, said)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--keep", "vmcore"), "--keep"),
        (("--engine", "image"), "--engine image"),
        (("--scenario", "mine.py"), "attacks or variants of your own"),
    ],
)
def test_what_the_workers_cannot_run_is_refused(
    tmp_path: Path, words: tuple[str, ...], what: str
) -> None:
    done = umd_harness(tmp_path, "run", "--on", "tcp://127.0.0.1:1", *words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"umd-harness: --on does not take {what}; ")
