# SPDX-License-Identifier: GPL-2.0-only
"""What ends a run before its time: signals, once and twice, and results that are removed."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command_line import (
    DEADLINE,
    command,
    header_of,
    latest,
    read_until,
    start,
    wait_for_cells,
)
from gone_process import gone
from small_corpus import CELLS

from harness.judge.conclusion import conclude
from harness.run import ledger, run_plan
from harness.run.grounds import Grounds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from command_here import Here

    from harness.judge.result import Result
    from harness.model.cell import Cell, Outcome
    from harness.scenarios.corpus import Corpus

pytest_plugins = ["command_here"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_after_the_command_changes_no_exit_status(number: signal.Signals) -> None:
    """It may come while Python ends itself, as a third Ctrl-C does."""
    default = f"import atexit, signal; signal.signal({number.value}, signal.SIG_DFL)"
    late = f"atexit.register(signal.raise_signal, {number.value})"
    program = f"{default}; {late}; from harness.cli.main import main; raise SystemExit(main())"
    ended = subprocess.run(
        [sys.executable, "-c", program, "list", "-k", "pagemap"],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_cleanly_with_the_results_so_far(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = start(tmp_path, free=7)
    wait_for_cells(tmp_path, 9)
    process.send_signal(number)
    out = read_until(process, "stopping after the running cells")
    (tmp_path / "go").touch()
    rest, errors = process.communicate(timeout=DEADLINE)
    out += rest
    assert process.returncode == 128 + number
    assert errors == ""
    assert "\n`run --resume` goes on with the run later\n" in out
    header, lines = latest(tmp_path)
    ran = (tmp_path / "ran").read_text().split()
    assert len(ran) == len(lines) == 9
    assert header["stopped_by"] == number.name
    assert header["exit_status"] == 128 + number
    assert f"{CELLS - len(lines)} not run" in out.splitlines()[-1]
    assert not (tmp_path / "results/latest/.locks").exists()


def test_a_closed_terminal_loses_no_result(tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        command(["run", "--jobs", "2"], free=7),
        cwd=tmp_path,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    with reading(controller):
        wait_for_cells(tmp_path, 9)
    os.close(controller)
    process.send_signal(signal.SIGHUP)
    (tmp_path / "go").touch()
    assert process.wait(timeout=DEADLINE) == 128 + signal.SIGHUP
    header, lines = latest(tmp_path)
    assert (header["stopped_by"], header["exit_status"]) == ("SIGHUP", 128 + signal.SIGHUP)
    assert header["counts"]["not_run"] == CELLS - len(lines)
    assert len(lines) >= 9


@contextmanager
def reading(controller: int) -> Iterator[None]:
    """Read what is printed at a terminal until the block ends, or its buffer would be full."""
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            if select.select([controller], [], [], 0.05)[0]:
                os.read(controller, 65_536)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield
    finally:
        over.set()
        reader.join()


def test_a_second_signal_does_not_wait_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    process = start(tmp_path, machines=True)
    deadline = time.monotonic() + DEADLINE
    while len(machines := list((tmp_path / "work").glob("*/pid"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    read_until(process, "stopping after the running cells")
    pids = [int(machine.read_text()) for machine in machines]
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=DEADLINE)
    assert (process.returncode, errors) == (130, "")
    assert "the running cells are killed" in out
    assert header_of(tmp_path)["exit_status"] == 130
    assert not list((tmp_path / "work").iterdir())
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_signals_while_an_outcome_is_noted_lose_no_outcome(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(Grounds):
        def digest(self, cell: Cell) -> str:
            for _ in range(3):
                signal.raise_signal(signal.SIGINT)
            return super().digest(cell)

    monkeypatch.setattr(run_plan, "Grounds", Interrupted)
    assert here.run("--jobs", "1") == 130
    _, lines = here.latest()
    assert lines[0]["scenario"] == "nothing"


def test_an_error_of_the_harness_itself_loses_no_result(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Grounds):
        def digest(self, cell: Cell) -> str:
            if cell.scenario == "host_tamper":
                raise RuntimeError("a defect")
            return super().digest(cell)

    monkeypatch.setattr(run_plan, "Grounds", Broken)
    assert here.run("--jobs", "1") == 2
    assert here.error.startswith("Traceback (most recent call last):\n")
    assert here.error.endswith("\nRuntimeError: a defect\n")
    header, lines = here.latest()
    assert (header["exit_status"], header["error"]) == (2, "RuntimeError: a defect")
    assert header["finished"]
    assert lines[0]["scenario"] == "nothing"
    assert header["counts"]["not_run"] == CELLS - len(lines)


def test_a_defect_of_the_judge_loses_no_result(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time that the cell is judged."""

    def broken(corpus: Corpus, cell: Cell, outcomes: Mapping[Cell, Outcome]) -> Result:
        if cell.variant == "isolated":
            raise RuntimeError("a defect")
        return conclude(corpus, cell, outcomes)

    monkeypatch.setattr(ledger, "conclude", broken)
    assert here.run("--jobs", "1") == 2
    assert here.error.startswith("Traceback (most recent call last):\n")
    assert here.error.endswith("\nRuntimeError: a defect\n")
    header, lines = here.latest()
    assert (header["exit_status"], header["error"]) == (2, "RuntimeError: a defect")
    assert lines
    assert "isolated" not in {line["variant"] for line in lines}


def test_an_error_after_a_signal_decides_the_status(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(Grounds):
        def digest(self, cell: Cell) -> str:
            signal.raise_signal(signal.SIGINT)
            raise RuntimeError(f"a defect of {cell.id}")

    monkeypatch.setattr(run_plan, "Grounds", Broken)
    assert here.run("--jobs", "1") == 2
    header = header_of(here.folder)
    assert (header["exit_status"], header["stopped_by"]) == (2, "SIGINT")


def test_a_cell_that_does_not_end_is_left_behind(tmp_path: Path) -> None:
    process = start(tmp_path, takes=600.0)
    wait_for_cells(tmp_path, 2)
    process.send_signal(signal.SIGINT)
    read_until(process, "stopping after the running cells")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=DEADLINE)
    assert "the running cells are killed" in out
    assert process.returncode == 130
    assert header_of(tmp_path)["exit_status"] == 130


def test_ctrl_c_while_the_kernel_builds_leaves_no_run_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(["run"], opening=600.0),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    read_until(process, "objects")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=DEADLINE)
    assert (process.returncode, errors) == (130, "umd-harness: stopped\n")
    assert not (tmp_path / "results").exists()


STOPPED = """
import signal, subprocess, sys
from harness.cli.main import main
from harness.run import provenance

def prepare_lab(*_, **__):
    print(subprocess.Popen(["sleep", "600"]).pid, flush=True)
    signal.raise_signal(signal.SIGINT)

provenance.prepare_lab = prepare_lab
status = main(["build"])
signal.raise_signal(signal.SIGINT)
signal.raise_signal(signal.SIGTERM)
sys.exit(status)
"""


def test_a_command_that_was_stopped_leaves_no_child_and_is_not_interrupted_again() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STOPPED], capture_output=True, text=True, timeout=DEADLINE
    )
    assert (done.returncode, done.stderr) == (130, "umd-harness: stopped\n")
    assert gone(int(done.stdout))


@pytest.mark.parametrize("name", ["", "run.json", "results.jsonl"])
def test_results_that_are_removed_end_the_run_and_are_named(tmp_path: Path, name: str) -> None:
    process = start(tmp_path, free=7)
    wait_for_cells(tmp_path, 9)
    run = (tmp_path / "results/latest").resolve()
    path = run / name
    # The first result becomes final with its control's. An empty file is made anew in silence.
    while not path.exists() or not path.stat().st_size:
        time.sleep(0.02)
    if name:
        path.unlink()
    else:
        path.rename(tmp_path / "moved")
        shutil.rmtree(tmp_path / "results")
    (tmp_path / "go-8").touch()
    (tmp_path / "go-9").touch()
    gone = f"results/{run.name}/{name}".rstrip("/")
    read_until(process, f"\n{gone} was removed or cut short during the run\n")
    (tmp_path / "go").touch()
    _, errors = process.communicate(timeout=DEADLINE)
    assert process.returncode == 2
    hint = "leave the folder of results alone, and run again"
    assert errors == f"umd-harness: {gone} was removed or cut short during the run; {hint}\n"
    assert len((tmp_path / "ran").read_text().split()) < CELLS
    if name:
        assert header_of(tmp_path)["exit_status"] == 2
    else:
        assert not (tmp_path / "results").exists()
