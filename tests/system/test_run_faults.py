# SPDX-License-Identifier: GPL-2.0-only
"""A real `umd-harness run` that loses machines or is told to stop.

The results so far are kept, the other cells go on, and nothing is left running.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from cells import Cells, cells, touch
from command_line import read_until
from harness_process import PATIENT, SECONDS

from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["cells"]

# A first kernel build takes under 15 minutes on two cores; the machine may be busy.
pytestmark = pytest.mark.timeout(3600)

SCENARIO_FILE = """
import os, signal, time
from errno import EPERM
from os import O_RDONLY
from harness.scenarios import Effect, Hole, scenario
from harness.model.verdict import Verdict

REACH = "security_ptrace_access_check"

@scenario(effect=Effect.INTEGRITY, surface="own", answers=(), reach=REACH)
def crash_guest(attacker, handler):
    "Panic."
    attacker.write_file("/proc/sysrq-trigger", b"c")

@scenario(effect=Effect.INTEGRITY, surface="own", answers=(), reach=REACH)
def kill_qemu(attacker, handler):
    "Kill QEMU."
    os.kill(handler._machine.pid, signal.SIGKILL)

@scenario(effect=Effect.INTEGRITY, surface="own", answers=(), reach=REACH)
def overwrite_last(attacker, handler):
    "Do what wins."
    with attacker.open(f"/proc/{handler.pid}/mem", os.O_RDWR) as mem:
        mem.pwrite(b"\\xff" * 32, handler.symbol("chain"))

@scenario(effect=Effect.INTEGRITY, surface="own", answers=(), reach=REACH, seconds=600)
def slow(attacker, handler):
    "Go on until there is the file `go`."
    with open(os.environ["UMD_TEST_MARK"], "w"):
        pass
    while not os.path.exists(os.environ["UMD_TEST_GO"]):
        attacker.getpid()
        time.sleep(0.02)
"""


def harness_run(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    """A real `umd-harness run` on baseline, with the scenarios above."""
    file = tmp_path / "more.py"
    file.write_text(SCENARIO_FILE)
    command = [
        *(sys.executable, "-c", PATIENT, "run", "--variant", "baseline"),
        *("--scenario", str(file), "--results", str(tmp_path / "results"), *arguments),
    ]
    return subprocess.Popen(
        command,
        env={
            **os.environ,
            "UMD_TEST_MARK": str(tmp_path / "mark"),
            "UMD_TEST_GO": str(tmp_path / "go"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def kept(tmp_path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """What a run left on disk: run.json, and the verdict of each scenario."""
    (run,) = (path for path in (tmp_path / "results").iterdir() if not path.is_symlink())
    lines = (run / "results.jsonl").read_text().splitlines()
    verdicts = {line["scenario"]: line["verdict"] for line in map(json.loads, lines)}
    return json.loads((run / "run.json").read_text()), verdicts


def test_the_other_cells_go_on(cells: Cells, tmp_path: Path) -> None:
    names = "crash_guest or kill_qemu or overwrite_last"
    with harness_run(tmp_path, "-k", names, "--jobs", "1") as run:
        said, _ = run.communicate(timeout=SECONDS)
    assert run.returncode == 2, said
    header, verdicts = kept(tmp_path)
    assert verdicts == {
        "nothing": "held",
        "host_tamper": "tampered",
        "crash_guest": "error",
        "kill_qemu": "error",
        "overwrite_last": "tampered",
    }
    assert header["exit_status"] == 2
    assert not cells.left()


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_stop(
    cells: Cells, tmp_path: Path, number: signal.Signals, times: int
) -> None:
    """Once: what runs comes to its end, and no more starts. Twice: it ends at once.

    And no third one keeps it from putting what was found on disk.
    """
    names = "slow or overwrite_last"
    with harness_run(tmp_path, "-k", names, "--jobs", "2") as run:
        _wait_for(tmp_path / "mark", run)
        for name in ("nothing", "host_tamper"):  # a busy host may have them run again
            _wait_for(tmp_path / f"results/latest/cells/6.12-baseline-{name}/outcome.json", run)
        run.send_signal(number)
        said = ""
        for heard in ("stopping after the running cells", "stopping now")[: times - 1]:
            said += read_until(run, heard)
            run.send_signal(number)
        if times == 1:
            said += read_until(run, "stopping after the running cells")
            (tmp_path / "go").touch()
        said += run.communicate(timeout=SECONDS)[0]
    assert run.returncode == 128 + number, said
    assert "Traceback" not in said
    header, verdicts = kept(tmp_path)
    assert header["stopped_by"] == number.name
    assert verdicts["nothing"] == "held"
    assert verdicts["host_tamper"] == "tampered"
    assert ("slow" in verdicts) == (times == 1)
    assert not cells.left()


def test_a_run_that_is_killed_takes_its_machines_along(cells: Cells, tmp_path: Path) -> None:
    with harness_run(tmp_path, "-k", "slow") as run:
        _wait_for(tmp_path / "mark", run)
        assert any(left.name.isdecimal() for left in cells.left())
        run.kill()
        run.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while any(left.name.isdecimal() for left in cells.left()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    # Its directory goes with the next machine that is started.
    assert cells.left()
    assert cells.run(touch).verdict is Verdict.HELD
    assert not cells.left()


def _wait_for(mark: Path, run: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while not mark.exists():
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)
