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
from expressions import CHOSEN, WRONG
from small_corpus import CELLS, NAMES, NOT_APPLICABLE, POLICIES

from harness.judge.cells import all_cells
from harness.scenarios import SCENARIOS
from harness.scenarios.corpus import SHIPPED

pytest_plugins = ["pytester"]

TESTS = Path(__file__).parents[2]
SUPPORT = TESTS / "support"
CORPUS = (TESTS / "test_scenarios.py").read_text()
CONFTEST = """
import os
import resource
import sys
sys.path.insert(0, {here!r})
from contextlib import contextmanager
from pathlib import Path
import small_corpus
if not {whole}:
    small_corpus.ship()
from harness.results.run_header import Provenance
from harness.run import provenance
from harness.host.errors import UserError
from harness.model.verdict import Verdict
from scripted_lab import ScriptedLab, prepare_lab, outcome
here = Path(__file__).parent
lab = ScriptedLab({script}, takes={takes}, log=here / "ran")
working = prepare_lab(lab, says=("kernel: 1/2 objects",))
def broken(line, variants, progress, *, corpus, engine):
    raise UserError("there is no kernel source", hint="install it")
@contextmanager
def full(line, variants, progress, *, corpus, engine):
    # The kernel refuses as a full disk does; pytest's own output is far shorter than that.
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    with working(line, variants, progress, corpus=corpus, engine=engine) as opened:
        yield provenance.PreparedLab(opened.lab, Provenance(image="x" * 300_000))
provenance.prepare_lab = {prepare_lab}
"""
MINE = """
from harness.scenarios import Effect, scenario

@scenario(effect=Effect.INTEGRITY, surface="own", answers=("T1",))
def mine(attacker, handler):
    '''Do what I think of.'''
"""


COLLECT = """
import json, sys
sys.path.insert(0, {here!r})
import pytest
from expressions import CHOSEN, WRONG

class Collected:
    def pytest_collection_finish(self, session):
        self.cells = [item.callspec.id for item in session.items if hasattr(item, "callspec")]

said = {{}}
for expression in (*CHOSEN, *WRONG):
    collected = Collected()
    words = ["--collect-only", "-q", "-p", "no:cacheprovider", "-k", expression]
    status = pytest.main([*words, "test_scenarios.py"], plugins=[collected])
    said[expression] = [int(status), getattr(collected, "cells", [])]
with open("said.json", "w") as file:
    json.dump(said, file)
"""


class Session:
    """A checkout in a folder, with `test_scenario` and a unit test beside it.

    Its corpus is the small one, but for a script of the whole.
    """

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        pytester.makepyfile(test_scenarios=CORPUS, test_other="def test_one(): pass")
        self.script()

    def script(
        self,
        script: str = "{}",
        *,
        takes: float = 0.0,
        prepare_lab: str = "working",
        whole: bool = False,
    ) -> None:
        text = CONFTEST.format(
            here=str(SUPPORT), script=script, takes=takes, prepare_lab=prepare_lab, whole=whole
        )
        self.pytester.makeconftest(text)

    def run(self, *arguments: str) -> pytest.RunResult:
        return self.pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments, timeout=500)

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
    session.script(whole=True)
    listed = session.run("--collect-only", "-q", "-k", "scenario").outlines
    ids = [line for line in listed if "::" in line]
    assert ids == [f"test_scenarios.py::test_scenario[{cell.id}]" for cell in all_cells(SHIPPED)]
    assert not (session.pytester.path / "results").exists(), "collecting runs and makes nothing"


def test_an_expression_chooses_the_cells_that_run_would_choose(session: Session) -> None:
    session.pytester.makepyfile(collect=COLLECT.format(here=str(SUPPORT)))
    session.pytester.run(sys.executable, "collect.py", timeout=500)
    said = json.loads((session.pytester.path / "said.json").read_text())
    none, wrong = pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.USAGE_ERROR
    for expression, cells in CHOSEN.items():
        status = pytest.ExitCode.OK if cells else none
        assert (expression, said[expression][0]) == (expression, status)
        assert (expression, set(said[expression][1])) == (expression, cells)
    assert {expression: said[expression][0] for expression in WRONG} == dict.fromkeys(WRONG, wrong)


def test_in_the_checkout_the_word_selects_the_corpus_alone() -> None:
    """No unit test may have `scenario` in its name."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-k", "scenario", "--collect-only", "-q"],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=500,
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
    header = json.loads((session.latest / "run.json").read_text())
    assert (header["exit_status"], header["image"]) == (0, "0123abcd")
    assert header["finished"]
    assert header["arguments"][0] == "pytest"
    assert not list(session.latest.glob(".*"))
    result.stdout.fnmatch_lines(
        [
            "kernel: 1/2 objects",
            "results: *",
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
    header = json.loads((session.latest / "run.json").read_text())
    assert header["opened_for"] == ["kthread"]
    session.run("-k", "6.12-kthread-proc_mem_write").assert_outcomes(passed=1)
    header = json.loads((session.latest / "run.json").read_text())
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
    assert not list(session.latest.glob(".*"))
    result.stdout.fnmatch_lines(["kernel: 1/2 objects"])
    result.stdout.fnmatch_lines(["20 cells: 20 as expected, 0 unexpected, 0 errors, 2 known holes"])


def test_a_failure_is_the_reason_and_the_rerun_line(session: Session) -> None:
    session.script("{('isolated', 'proc_mem_write'): outcome(Verdict.TAMPERED, 'ch\\x1bain')}")
    result = session.run("-k", "proc_mem_write", "--junitxml", "junit.xml")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        [
            "6.12-isolated-proc_mem_write: tampered, expected held: ch\\x1bain",
            "evidence: */cells/6.12-isolated-proc_mem_write",
            "umd-harness run --variant isolated -k proc_mem_write",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    junit = ElementTree.parse(session.pytester.path / "junit.xml")  # noqa: S314
    assert len(list(junit.iter("failure"))) == 1


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
    conftest = session.pytester.path / "conftest.py"
    conftest.write_text(
        conftest.read_text()
        + """
import time
def slow(line, variants, progress, *, corpus, engine):
    time.sleep(8)
    return working(line, variants, progress, corpus=corpus, engine=engine)
provenance.prepare_lab = slow
"""
    )
    session.run("-k", "6.12-baseline-nothing", "--timeout", "6").assert_outcomes(passed=1)


def test_a_users_file_joins_the_corpus(session: Session) -> None:
    session.pytester.makepyfile(users=MINE)
    result = session.run("--scenario", "users.py", "-k", "scenario and mine", "-n", "2")
    result.assert_outcomes(passed=4)
    session.run("--scenario", "users.py", "-k", "scenario and ptrace").assert_outcomes(deselected=5)
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
    header = json.loads((session.latest / "run.json").read_text())
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
    result = session.run("--scenario", "users.py", "-k", "scenario")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: */users.py declares no scenario; *"])


@pytest.mark.parametrize("workers", ["0", "2"])
def test_other_sessions_are_left_alone(session: Session, workers: str) -> None:
    result = session.run("-n", workers, "test_other.py")
    result.assert_outcomes(passed=1)
    assert not (session.pytester.path / "results").exists()
    assert "cells" not in result.stdout.str()


def test_the_plugin_imports_nothing_of_weight() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import harness.pytest_plugin.plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=500
    )
    assert done.stdout.split() == [
        "harness",
        "harness.host",
        "harness.host.errors",
        "harness.model",
        "harness.model.engine_names",
        "harness.pytest_plugin",
        "harness.pytest_plugin.plugin",
    ]


def test_how_the_machines_boot_is_an_option(session: Session) -> None:
    session.run("-k", "6.12-baseline-nothing", "--engine", "virtme").assert_outcomes(passed=1)
    assert json.loads((session.latest / "run.json").read_text())["engine"] == "virtme"
    result = session.run("-k", "6.12-baseline-nothing", "--engine", "bochs")
    result.stderr.fnmatch_lines(["ERROR: there is no engine 'bochs': take microvm, *"])
