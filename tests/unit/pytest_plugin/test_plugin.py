# SPDX-License-Identifier: GPL-2.0-only
"""The pytest plugin in sessions of its own, above a scripted lab."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree  # what is parsed here was written here

import pytest
from expressions import CHOSEN, WRONG
from small_corpus import CELLS, NAMES, NOT_APPLICABLE, POLICIES

from harness.judge.cells import all_cells
from harness.scenarios import SCENARIOS
from harness.scenarios.corpus import SHIPPED

if TYPE_CHECKING:
    from plugin_session import Session

pytest_plugins = ["pytester", "plugin_session"]

FILES = {"cells", "results.jsonl", "run.json", "junit.xml", "matrix.txt", "report.html"}
"""What the folder of a run has, as after `umd-harness run`."""

TESTS = Path(__file__).parents[2]

MINE = """
from harness.scenarios import Effect, scenario

@scenario(effect=Effect.INTEGRITY, surface="own", answers=("T1",))
def mine(attacker, handler):
    '''Do what I think of.'''
"""


def test_ids_are_the_cells(session: Session) -> None:
    session.script(whole=True)
    listed = session.run("--collect-only", "-q", "-k", "scenario").outlines
    ids = [line for line in listed if "::" in line]
    assert ids == [f"test_scenarios.py::test_scenario[{cell.id}]" for cell in all_cells(SHIPPED)]
    assert not (session.pytester.path / "results").exists(), "collecting runs and makes nothing"


def test_an_expression_chooses_the_cells_that_run_would_choose(session: Session) -> None:
    expressions = (*CHOSEN, *WRONG)
    said = dict(
        zip(expressions, session.collect(*(["-k", one] for one in expressions)), strict=True)
    )
    for expression, cells in CHOSEN.items():
        status = pytest.ExitCode.OK if cells else pytest.ExitCode.NO_TESTS_COLLECTED
        assert (expression, said[expression].status) == (expression, status)
        assert (expression, set(said[expression].cells)) == (expression, cells)
    wrong = pytest.ExitCode.USAGE_ERROR
    assert {expression: said[expression].status for expression in WRONG} == dict.fromkeys(
        WRONG, wrong
    )


def test_in_the_checkout_the_marker_selects_the_corpus_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "scenario", "--collect-only", "-q"],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=900,
    )
    ids = [line for line in done.stdout.splitlines() if "::" in line]
    assert ids == [
        f"tests/test_scenarios.py::test_scenario[{cell.id}]" for cell in all_cells(SHIPPED)
    ]


def test_the_whole_corpus_runs_each_cell_once(session: Session) -> None:
    session.script(whole=True)
    cells = all_cells(SHIPPED)
    lacking = [cell for cell in cells if cell.variant in SCENARIOS[cell.scenario].not_applicable]
    assert len(cells) > CELLS
    assert lacking
    result = session.run("-k", "scenario")
    outcomes = result.parseoutcomes()
    assert outcomes.keys() == {"passed", "skipped", "xfailed", "deselected"}
    assert sum(outcomes.values()) == len(cells) + 1
    assert (outcomes["skipped"], outcomes["deselected"]) == (len(lacking), 1)
    assert result.ret == 0
    assert session.ran() == Counter(cell.id for cell in cells)
    assert len(session.lines()) == len(cells)
    result.stdout.fnmatch_lines(
        [f"{len(cells)} cells: {len(cells)} as expected, 0 unexpected, 0 errors*"]
    )


def test_a_run_is_kept_and_counted(session: Session) -> None:
    result = session.run("-k", "scenario", "-rs")
    result.assert_outcomes(passed=25, skipped=1, xfailed=2, deselected=1)
    assert result.ret == 0
    assert session.ran() == Counter(
        f"6.12-{variant}-{name}" for variant in POLICIES for name in NAMES
    )
    assert len(session.lines()) == CELLS
    lacking = [line for line in session.lines() if line["verdict"] == "n/a"]
    assert tuple(f"6.12-{line['variant']}-{line['scenario']}" for line in lacking) == NOT_APPLICABLE
    header = session.header
    assert (header["exit_status"], header["image"]) == (0, "0123abcd")
    assert header["finished"]
    assert header["arguments"][0] == "pytest"
    assert header["seconds"] >= 0
    assert {path.name for path in session.latest.iterdir()} == FILES
    result.stdout.fnmatch_lines(
        [
            "kernel: 1/2 objects",
            "results: *",
            "report: */report.html",
            "28 cells: 28 as expected, 0 unexpected, 0 errors, 2 known holes",
            "SKIPPED * nothing confines kernel code",
        ]
    )


def test_a_cell_brings_its_control_and_references(session: Session) -> None:
    result = session.run("-k", "isolated and not debug and proc_mem_write")
    result.assert_outcomes(passed=1, deselected=CELLS)  # 27 cells, and the unit test
    assert session.ran() == Counter(
        f"6.12-{variant}-{name}"
        for variant in ("baseline", "isolated")
        for name in ("nothing", "host_tamper", "proc_mem_write")
    )
    assert len(session.lines()) == 6


def test_the_lab_is_opened_for_the_variants_that_are_needed(session: Session) -> None:
    session.run("-k", "6.12-kthread-nothing").assert_outcomes(passed=1)
    header = session.header
    assert header["opened_for"] == ["kthread"]
    session.run("-k", "6.12-kthread-proc_mem_write").assert_outcomes(passed=1)
    header = session.header
    assert header["opened_for"] == ["baseline", "kthread"]


@pytest.mark.parametrize("workers", ["2", "4"])
def test_workers_share_a_run_and_no_cell_runs_twice(session: Session, workers: str) -> None:
    session.script(takes=0.05)
    result = session.run("-k", "scenario and (mem or ptrace)", "-n", workers)
    result.assert_outcomes(passed=10, xfailed=2)
    assert set(session.ran().values()) == {1}
    assert len(session.lines()) == len(session.ran()) == 20
    runs = [path for path in (session.pytester.path / "results").iterdir() if path.name[0] == "2"]
    assert len(runs) == 1
    assert {path.name for path in session.latest.iterdir()} == FILES
    result.stdout.fnmatch_lines(["kernel: 1/2 objects"])
    result.stdout.fnmatch_lines(["20 cells: 20 as expected, 0 unexpected, 0 errors, 2 known holes"])


def test_a_failure_is_the_reason_and_the_rerun_line(session: Session) -> None:
    session.script("{('isolated', 'proc_mem_write'): outcome(Verdict.TAMPERED, 'ch\\x1bain')}")
    words = ("-k", "proc_mem_write", "--junitxml", "junit.xml", "--umd-engine", "virtme")
    result = session.run(*words)
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        [
            "6.12-isolated-proc_mem_write: tampered, expected held: ch\\x1bain",
            "evidence: */cells/6.12-isolated-proc_mem_write",
            "umd-harness run --engine virtme --variant isolated -k proc_mem_write",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    for path in (session.pytester.path, session.latest):
        junit = ElementTree.parse(path / "junit.xml")  # noqa: S314
        assert len(list(junit.iter("failure"))) == 1
    matrix = (session.latest / "matrix.txt").read_text()
    assert "umd-harness run --engine virtme --variant isolated -k proc_mem_write" in matrix


def test_a_control_that_did_not_win_fails_what_rests_on_it(session: Session) -> None:
    session.script("{('baseline', 'process_vm_readv'): outcome(Verdict.HELD)}")
    result = session.run("-k", "process_vm_readv and kthread")
    result.assert_outcomes(failed=1)
    folders = f"evidence: {session.latest.resolve()}/cells/6.12-"
    result.stdout.fnmatch_lines(
        [
            "*error: control baseline did not win: held, not leaked*",
            f"{folders}kthread-process_vm_readv",
            f"{folders}baseline-process_vm_readv",
            "umd-harness run *",
        ],
        consecutive=True,
    )


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_known_hole_is_an_xfail_with_its_reason(session: Session, workers: str) -> None:
    result = session.run("-k", "isolated-dev_mem]", "-rx", "-n", workers)
    result.assert_outcomes(xfailed=1)
    assert result.ret == 0
    why = "known hole, tampered: who writes all of memory writes the handler's too"
    result.stdout.fnmatch_lines([f"XFAIL *6.12-isolated-dev_mem* - {why}"])


@pytest.mark.parametrize("verdict", ["HELD", "LEAKED", "ERROR"])
def test_a_known_hole_with_another_verdict_fails(session: Session, verdict: str) -> None:
    session.script(f"{{('isolated', 'dev_mem'): outcome(Verdict.{verdict})}}")
    result = session.run("-k", "isolated-dev_mem]")
    result.assert_outcomes(failed=1)
    assert result.ret == 1
    if verdict == "HELD":
        result.stdout.fnmatch_lines(["*is closed: remove it from the scenario"])


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_lab_that_cannot_open_ends_the_session_with_one_line(
    session: Session, workers: str
) -> None:
    session.script(prepare_lab="broken")
    result = session.run("-k", "scenario", "-n", workers)
    assert result.ret == 2
    (said,) = [line for line in result.outlines if "there is no kernel source" in line]
    assert "umd-harness: there is no kernel source; install it" in said
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    result.assert_outcomes()
    assert not (session.pytester.path / "results").exists(), "nothing began, nothing is left"


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_full_disk_ends_the_session_with_one_line(session: Session, workers: str) -> None:
    session.script(prepare_lab="full")
    result = session.run("-k", "scenario", "-n", workers)
    assert result.ret == 2
    (said,) = [line for line in result.outlines if "umd-harness: " in line]
    assert "/run.json: File too large; raise the limit of file sizes (ulimit -f)" in said
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    result.assert_outcomes()
    assert not (session.pytester.path / "ran").exists()


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
    assert (outcomes["passed"], outcomes["skipped"], outcomes["xfailed"]) == (24, 1, 2)
    assert len(session.lines()) == 27
    assert set(session.ran().values()) == {1}


def test_the_build_is_outside_the_tests_time_limit(session: Session) -> None:
    """pytest-timeout sets a timer for the limit. The control: the test itself has one."""
    conftest = session.pytester.path / "conftest.py"
    conftest.write_text(
        conftest.read_text()
        + """
from signal import ITIMER_REAL, getitimer
def built(line, variants, progress, **lab):
    assert getitimer(ITIMER_REAL)[0] == 0
    return working(line, variants, progress, **lab)
provenance.prepare_lab = built
def run(cell, *, fresh=False):
    assert 0 < getitimer(ITIMER_REAL)[0] <= 600
    return plain(cell)
plain, lab.run = lab.run, run
"""
    )
    limit = ("--timeout", "600", "--timeout-method", "signal")
    session.run("-k", "6.12-baseline-nothing", *limit).assert_outcomes(passed=1)


def test_a_users_file_joins_the_corpus(session: Session) -> None:
    session.pytester.makepyfile(users=MINE)
    result = session.run("--umd-scenario", "users.py", "-k", "scenario and mine", "-n", "2")
    result.assert_outcomes(passed=4)
    session.run("--umd-scenario", "users.py", "-k", "scenario and ptrace").assert_outcomes(
        deselected=5
    )
    assert "6.12-baseline-mine" in session.ran()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_repositorys_own_files_are_a_setting_and_run_alone(
    session: Session, workers: str
) -> None:
    folder = session.pytester.path / "attacks"
    folder.mkdir()
    (folder / "users.py").write_text(MINE)
    session.pytester.makeini("[pytest]\numd_scenarios = attacks/users.py\n")
    session.run("-n", workers).assert_outcomes(passed=5)  # with the unit test
    assert {line["scenario"] for line in session.lines()} == {"mine", "nothing", "host_tamper"}
    header = session.header
    assert header["scenario_files"] == [str(folder / "users.py")]


@pytest.mark.parametrize("narrowing", [("-k", "baseline"), ("-m", "scenario"), ("-k", "not zzz")])
def test_an_expression_only_narrows_a_repositorys_own_tests(
    session: Session, narrowing: tuple[str, str]
) -> None:
    (session.pytester.path / "users.py").write_text(MINE)
    session.pytester.makeini("[pytest]\numd_scenarios = users.py\n")

    def collected(*arguments: str) -> set[str]:
        listed = session.run("--collect-only", "-q", *arguments).outlines
        return {line for line in listed if "::" in line}

    every = collected()
    assert len(every) == 5
    assert collected(*narrowing) <= every
    assert collected("-k", "ptrace_seize") == set()


def test_a_chosen_cell_runs_its_control_without_making_it_a_test(session: Session) -> None:
    (session.pytester.path / "users.py").write_text(MINE)
    session.pytester.makeini("[pytest]\numd_scenarios = users.py\n")
    result = session.run("-k", "6.12-kthread-mine")
    result.assert_outcomes(passed=1, deselected=4)
    assert session.ran() == Counter(
        f"6.12-{variant}-{name}"
        for variant in ("baseline", "kthread")
        for name in ("nothing", "host_tamper", "mine")
    )


def test_a_faulty_users_file_is_one_line(session: Session) -> None:
    session.pytester.makepyfile(users="x = 1")
    result = session.run("--umd-scenario", "users.py", "-k", "scenario")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: umd-harness: */users.py declares no scenario; *"])


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_word_that_matches_no_test_is_a_warning(session: Session, workers: str) -> None:
    expression = "6.12-kthread-nothing or test_one or kthraed"
    result = session.run("-k", expression, "-n", workers)
    result.assert_outcomes(passed=2)
    assert result.errlines == [
        f"umd-harness: warning: nothing matches 'kthraed' in -k '{expression}'; "
        "did you mean kthread?"
    ]


def test_a_shipped_attack_is_no_test_beside_a_repositorys_own(session: Session) -> None:
    session.pytester.makepyfile(users=MINE)
    result = session.run("--umd-scenario", "users.py", "-k", "ptrace_seize", "--collect-only")
    (said,) = result.errlines
    assert said.startswith("umd-harness: warning: nothing matches 'ptrace_seize' in -k ")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_other_sessions_are_left_alone(session: Session, workers: str) -> None:
    result = session.run("-n", workers, "test_other.py")
    result.assert_outcomes(passed=1)
    assert not (session.pytester.path / "results").exists()
    assert "cells" not in result.stdout.str()


def test_collecting_cells_imports_no_ssh(session: Session) -> None:
    conftest = session.pytester.path / "conftest.py"
    hook = "def pytest_collection_finish(): print('loaded', 'paramiko' in sys.modules)"
    conftest.write_text(f"{conftest.read_text()}\n{hook}\n")
    result = session.run("--collect-only", "-q", "-s", "--umd-engine", "image")
    result.stdout.fnmatch_lines(["*loaded False"])


def test_the_plugin_imports_nothing_of_weight() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import harness.pytest_plugin.plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=900
    )
    assert done.stdout.split() == [
        "harness",
        "harness.host",
        "harness.host.errors",
        "harness.model",
        "harness.model.engine_names",
        "harness.model.handlers",
        "harness.model.variants",
        "harness.model.verdict",
        "harness.pytest_plugin",
        "harness.pytest_plugin.markers",
        "harness.pytest_plugin.plugin",
        "harness.pytest_plugin.settings",
    ]
