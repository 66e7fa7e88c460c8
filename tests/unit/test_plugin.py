# SPDX-License-Identifier: GPL-2.0-only
"""The pytest plugin in sessions of its own, above a scripted lab."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree  # what is parsed here was written here

import pytest
from scripted_lab import CELLS

from harness.matrix import all_cells

pytest_plugins = ["pytester"]

HERE = Path(__file__).parent
CORPUS = (HERE.parent / "test_scenarios.py").read_text()
CONFTEST = """
import os
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
from harness import provenance
from harness.errors import UserError
from harness.witness.verdict import Verdict
from scripted_lab import ScriptedLab, opener, outcome
here = Path(__file__).parent
lab = ScriptedLab({script}, takes={takes}, log=here / "ran")
working = opener(lab, says=("kernel: 1/2 objects",))
def broken(line, variants, progress):
    raise UserError("there is no kernel source", hint="install it")
provenance.open_lab = {opener}
"""
MINE = """
from harness.scenarios import Effect, scenario

@scenario(effect=Effect.INTEGRITY, surface="mine", answers=("T1",))
def mine(attacker, handler):
    '''Do what I think of.'''
"""


class Session:
    """A checkout in a folder, with `test_scenario` and a unit test beside it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        pytester.makepyfile(test_scenarios=CORPUS, test_other="def test_one(): pass")
        self.script()

    def script(self, script: str = "{}", *, takes: float = 0.0, opener: str = "working") -> None:
        text = CONFTEST.format(here=str(HERE), script=script, takes=takes, opener=opener)
        self.pytester.makeconftest(text)

    def run(self, *arguments: str) -> pytest.RunResult:
        return self.pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments, timeout=120)

    def ran(self) -> Counter[str]:
        return Counter((self.pytester.path / "ran").read_text().split())

    @property
    def latest(self) -> Path:
        return self.pytester.path / "results/latest"

    def lines(self) -> list[dict[str, object]]:
        content = (self.latest / "results.jsonl").read_text()
        return [json.loads(line) for line in content.splitlines()]


@pytest.fixture
def session(pytester: pytest.Pytester) -> Session:
    return Session(pytester)


def test_ids_are_the_cells(session: Session) -> None:
    listed = session.run("--collect-only", "-q", "-k", "scenario").outlines
    ids = [line for line in listed if "::" in line]
    assert ids == [f"test_scenarios.py::test_scenario[{cell.id}]" for cell in all_cells()]
    assert not (session.pytester.path / "results").exists(), "collecting runs and makes nothing"


def test_in_the_checkout_the_word_selects_the_corpus_alone() -> None:
    """No unit test may have `scenario` in its name."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-k", "scenario", "--collect-only", "-q"],
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    ids = [line for line in done.stdout.splitlines() if "::" in line]
    assert ids == [f"tests/test_scenarios.py::test_scenario[{cell.id}]" for cell in all_cells()]


def test_the_whole_corpus_runs_each_cell_once(session: Session) -> None:
    result = session.run("-k", "scenario")
    result.assert_outcomes(passed=CELLS, deselected=1)
    assert result.ret == 0
    assert session.ran() == Counter(cell.id for cell in all_cells())
    assert len(session.lines()) == CELLS
    header = json.loads((session.latest / "run.json").read_text())
    assert (header["exit_status"], header["image"]) == (0, "0123abcd")
    assert header["finished"]
    assert not list(session.latest.glob(".*"))
    result.stdout.fnmatch_lines(
        [
            "kernel: 1/2 objects",
            "results: *",
            f"{CELLS} cells: {CELLS} as expected, 0 unexpected, 0 errors*",
        ]
    )


def test_a_cell_brings_its_control_and_references(session: Session) -> None:
    session.run("-k", "isolated and proc_mem_write").assert_outcomes(passed=1, deselected=CELLS)
    assert len(session.ran()) == len(session.lines()) == 6


def test_the_lab_is_opened_for_the_variants_that_are_needed(session: Session) -> None:
    session.run("-k", "6.12-kthread-nothing").assert_outcomes(passed=1)
    header = json.loads((session.latest / "run.json").read_text())
    assert header["opened_for"] == ["kthread"]
    session.run("-k", "6.12-kthread-kill_family").assert_outcomes(passed=1)
    header = json.loads((session.latest / "run.json").read_text())
    assert header["opened_for"] == ["baseline", "kthread"]


@pytest.mark.parametrize("workers", ["2", "4"])
def test_workers_share_a_run_and_no_cell_runs_twice(session: Session, workers: str) -> None:
    session.script(takes=0.05)
    result = session.run("-k", "scenario and (mem or ptrace)", "-n", workers)
    result.assert_outcomes(passed=6)
    assert set(session.ran().values()) == {1}
    assert len(session.lines()) == len(session.ran()) == 12
    runs = [path for path in (session.pytester.path / "results").iterdir() if path.name[0] == "2"]
    assert len(runs) == 1
    assert not list(session.latest.glob(".*"))
    result.stdout.fnmatch_lines(["kernel: 1/2 objects"])
    result.stdout.fnmatch_lines(["12 cells: 12 as expected*"])


def test_a_failure_is_the_reason_and_the_rerun_line(session: Session) -> None:
    session.script("{('isolated', 'proc_mem_write'): outcome(Verdict.TAMPERED, 'ch\\x1bain')}")
    result = session.run("-k", "proc_mem_write", "--junitxml", "junit.xml")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "6.12-isolated-proc_mem_write: tampered, expected held: ch\\x1bain",
            "umd-harness run --variant isolated -k proc_mem_write",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    junit = ElementTree.parse(session.pytester.path / "junit.xml")  # noqa: S314
    assert len(list(junit.iter("failure"))) == 1


def test_a_control_that_did_not_win_fails_what_rests_on_it(session: Session) -> None:
    session.script("{('baseline', 'kill_family'): outcome(Verdict.HELD)}")
    result = session.run("-k", "kill_family and kthread")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*error: control baseline did not win: held, not disrupted*"])


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_lab_that_cannot_open_ends_the_session_with_one_line(
    session: Session, workers: str
) -> None:
    session.script(opener="broken")
    result = session.run("-k", "scenario", "-n", workers)
    assert result.ret == 2
    (said,) = [line for line in result.outlines if "there is no kernel source" in line]
    assert "umd-harness: there is no kernel source; install it" in said
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    result.assert_outcomes()
    assert not (session.pytester.path / "results").exists(), "nothing began, nothing is left"


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_user_error_in_a_cell_ends_the_session(session: Session, workers: str) -> None:
    session.script("{('isolated', 'nothing'): UserError('QEMU is gone', hint='install it')}")
    result = session.run("-k", "scenario", "-n", workers)
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*umd-harness: QEMU is gone; install it*"])
    assert result.parseoutcomes()["failed"] <= 2
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_a_worker_that_crashes_does_not_lose_the_others_cells(session: Session) -> None:
    session.script()
    conftest = session.pytester.path / "conftest.py"
    conftest.write_text(
        conftest.read_text()
        + """
plain = lab.run
def run(cell, *, fresh=False):
    if cell.id == "6.12-isolated-ptrace_seize":
        os._exit(1)
    return plain(cell)
lab.run = run
"""
    )
    result = session.run("-k", "scenario", "-n", "2")
    outcomes = result.parseoutcomes()
    assert outcomes["failed"] == 1
    assert outcomes["passed"] == 26
    assert len(session.lines()) == 26
    assert set(session.ran().values()) == {1}


def test_the_build_is_outside_the_tests_time_limit(session: Session) -> None:
    conftest = session.pytester.path / "conftest.py"
    conftest.write_text(
        conftest.read_text()
        + """
import time
def slow(line, variants, progress):
    time.sleep(4)
    return working(line, variants, progress)
provenance.open_lab = slow
"""
    )
    session.run("-k", "6.12-baseline-nothing", "--timeout", "2").assert_outcomes(passed=1)


def test_a_users_file_joins_the_corpus(session: Session) -> None:
    session.pytester.makepyfile(users=MINE)
    result = session.run("--scenarios", "users.py", "-k", "scenario and mine", "-n", "2")
    result.assert_outcomes(passed=3)
    assert "6.12-baseline-mine" in session.ran()


def test_a_faulty_users_file_is_one_line(session: Session) -> None:
    session.pytester.makepyfile(users="x = 1")
    result = session.run("--scenarios", "users.py", "-k", "scenario")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: */users.py registers no scenario; *"])


@pytest.mark.parametrize("workers", ["0", "2"])
def test_other_sessions_are_left_alone(session: Session, workers: str) -> None:
    result = session.run("-n", workers, "test_other.py")
    result.assert_outcomes(passed=1)
    assert not (session.pytester.path / "results").exists()
    assert "cells" not in result.stdout.str()


def test_the_plugin_imports_nothing_of_weight() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import harness.pytest_plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["harness", "harness.errors", "harness.pytest_plugin"]
