# SPDX-License-Identifier: GPL-2.0-only
"""The story of a kept cell: which cell is meant, what is told of it, and what is not executed."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from kept_runs import keep_run
from outcomes import CONTROL, ISOLATED
from scripted_lab import outcome
from small_corpus import HOLES, NOT_APPLICABLE, SMALL
from tallies import BEFORE

from harness.host.errors import UserError
from harness.model.attempt_end import AttemptEnd, End
from harness.model.verdict import Verdict
from harness.report.attack_calls import CALLS_TOLD, call_lines
from harness.report.attack_source import attack_source
from harness.report.cell_story import as_json, cell_story, text
from harness.report.ptrace_requests import REQUESTS
from harness.report.witness_story import witness_lines
from harness.results.kept_cell import kept_cell
from harness.results.recorded_run import RecordedRun, read_run

if TYPE_CHECKING:
    from typing import Any

CALL = {"call": "openat", "args": ["-100", "'/proc/49/mem'"], "setup": False, "seconds": 0.1}
REFUSED = replace(
    outcome(Verdict.HELD, "EPERM at openat"),
    attempt_end=AttemptEnd(End.REFUSED, "EPERM at openat"),
    attempt=[{**CALL, "errno": "EPERM"}],
    hooks=("security_task_to_inode", "security_ptrace_access_check"),
    refusable=("security_ptrace_access_check",),
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside the checkout, whose commands have other names."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> RecordedRun:
    """A kept run with a refused attack."""
    keep_run(tmp_path, "one", script={"isolated__proc_mem_write": REFUSED})
    return read_run("one", root=tmp_path)


def story(run: RecordedRun, name: str) -> list[str]:
    return text(cell_story(kept_cell(run, name), SMALL)).splitlines()


def test_a_refused_attack(run: RecordedRun) -> None:
    told = story(run, "isolated-proc_mem_write")
    assert told[0] == "6.12-isolated-proc_mem_write in run one:"
    assert SMALL.scenarios["proc_mem_write"].summary in told[1]
    assert any("source: " in line and "harness/scenarios/direct.py:" in line for line in told)
    for line in (
        "held: EPERM at openat",
        "lost: nothing",
        "as expected: held: the variant is to stop it",
        "the attack by its own account: refused: EPERM at openat",
        "control 6.12-baseline-proc_mem_write: tampered",
        "reference 6.12-isolated-nothing: held",
        "reference 6.12-baseline-host_tamper: tampered",
        "openat(-100, '/proc/49/mem') = EPERM",
        "security_task_to_inode, security_ptrace_access_check (can refuse)",
        "attempt.json, console.txt, outcome.json, witness.json",
        "umd-harness run --variant isolated -k '[6.12-isolated-proc_mem_write]'",
        "umd-harness shell --variant isolated --prepare proc_mem_write --at before",
    ):
        assert f"  {line}" in told, line
    assert "Console, last lines:" not in told


def test_an_error_has_the_end_of_its_console(tmp_path: Path) -> None:
    lost = replace(outcome(Verdict.ERROR, "silent"), console="a\n\x1b[31mlast\n", traceback="at x")
    keep_run(tmp_path, "one", script={"isolated__proc_mem_write": lost})
    told = story(read_run("one", root=tmp_path), ISOLATED.id)
    assert "  error: silent" in told
    assert "  NOT as expected: held: the variant is to stop it" in told
    assert told[told.index("Console, last lines:") + 2] == "  \\x1b[31mlast"
    assert "Traceback:" in told


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (CONTROL.id, "as expected: tampered: the control, on which the attack must win"),
        (HOLES[0], "a known hole: who writes all of memory writes the handler's too"),
        (NOT_APPLICABLE[0], "as expected: n/a: nothing confines kernel code"),
        ("6.12-kthread-nothing", "a reference cell, which shows that the evidence can be trusted"),
    ],
)
def test_each_expectation_has_its_reason(run: RecordedRun, name: str, why: str) -> None:
    assert any(line.endswith(why) for line in story(run, name))


def test_an_id_counts_before_a_part_of_another(run: RecordedRun) -> None:
    assert kept_cell(run, "ISOLATED-nothing").cell.variant == "isolated"
    with pytest.raises(UserError, match=r"14 cells of the run have 'isolated' .* name one: .*, …$"):
        kept_cell(run, "isolated")
    with pytest.raises(UserError, match=r"no cell of the run has 'x y' in its id; name a part"):
        kept_cell(run, "x y")
    with pytest.raises(UserError, match=r"did you mean 6.12-isolated-proc_mem_write\?"):
        kept_cell(run, "6.12-isolated-proc_mem_wirte")


def test_the_commands_name_kernel_and_engine_and_no_file_for_a_shipped_attack(
    tmp_path: Path,
) -> None:
    header = {
        "choice": {"words": ["--tree", "my linux"]},
        "engine": "virtme",
        "variant_files": ["my.toml"],
        "scenario_files": ["mine.py"],
    }
    keep_run(tmp_path, "one", header=header)
    one = cell_story(kept_cell(read_run("one", root=tmp_path), ISOLATED.id), SMALL)
    kernel = "--tree 'my linux' --engine virtme --variant-file my.toml --variant isolated"
    assert one.run == f"umd-harness run {kernel} -k '[{ISOLATED.id}]'"
    assert one.shell.startswith(f"umd-harness shell {kernel} --prepare proc_mem_write")


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("own", "--scenario mine.py"),
        ("prog", "--attack b/prog --attack-reach f"),
        ("gone", "--scenario mine.py --attack b/prog --attack-reach f"),
    ],
)
def test_the_command_has_the_file_of_the_users_attack(
    run: RecordedRun, name: str, files: str
) -> None:
    Path("mine.py").write_text("def own(attacker, handler): pass\n")
    header = msgspec.structs.replace(
        run.header,
        scenario_files=("mine.py", "b/prog"),
        arguments=("run", "--attack", "b/prog", "--attack-reach", "f", "-k", "prog"),
    )
    cell = msgspec.structs.replace(ISOLATED, scenario=name)
    line = msgspec.structs.replace(run.cells[ISOLATED], scenario=name)
    theirs = replace(run, header=header, cells={cell: line})
    one = cell_story(kept_cell(theirs, cell.id), SMALL)
    assert one.run == f"umd-harness run --variant isolated -k '[{cell.id}]' {files}"
    assert ("--scenario mine.py --prepare own" in one.shell) is (name == "own")


def test_a_users_file_is_read_and_not_executed(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text('raise SystemExit\n\n@a\n@b\ndef own(x, y):\n    """Do it.\n\n    So."""\n')
    found = attack_source("own", SMALL, ["absent.py", str(mine)])
    assert (found.about, found.place) == ("Do it.\n\nSo.", f"{mine}:3")
    assert attack_source("other", SMALL, [str(mine)]).place == ""
    assert attack_source("prog", SMALL, ["b/prog.c"]).place == "b/prog.c"


def test_the_evidence_is_whole_in_json(run: RecordedRun) -> None:
    value = json.loads(as_json(cell_story(kept_cell(run, ISOLATED.id), SMALL)))
    assert (value["schema"], value["cell"]) == (1, ISOLATED.id)
    assert value["attempt"] == [{**CALL, "errno": "EPERM"}]
    assert value["result"]["verdict"] == "held"
    assert value["control"]["verdict"] == "tampered"
    assert len(value["references"]) == 4


def test_a_cell_without_evidence_still_has_its_result(run: RecordedRun) -> None:
    for file in (run.path / "cells" / ISOLATED.id).iterdir():
        file.unlink()
    told = story(run, ISOLATED.id)
    assert "  held: EPERM at openat" in told
    assert "  none is kept" in told


def test_only_the_last_calls_are_told() -> None:
    calls: list[dict[str, Any]] = [{**CALL, "result": number} for number in range(30)]
    lines = list(call_lines([*calls[:5], {"omitted": 7}, *calls[5:]]))
    assert lines[0] == "... 17 calls before these"
    assert len(lines) == 1 + CALLS_TOLD
    assert lines[-1].endswith(" = 0x1d")
    (lost,) = call_lines([{**CALL, "lost": True, "setup": True}])
    assert lost.endswith(" = no answer  (set-up)")
    program = {"program": "/sbin/a", "status": 256, "output": "x\n\x1b", "discarded_bytes": 0}
    assert list(call_lines([program])) == [
        "the program /sbin/a ended with status 1; its last output:",
        "  x",
        "  \\x1b",
    ]
    (killed,) = call_lines([{**program, "status": 9, "output": ""}])
    assert "died of SIGKILL" in killed


@pytest.mark.parametrize(
    ("number", "told"),
    [("0x4206", "PTRACE_SEIZE"), ("7", "PTRACE_CONT"), ("11", "11"), ("0x5000", "0x5000")],
)
def test_a_request_of_ptrace_has_its_name(number: str, told: str) -> None:
    call = {**CALL, "args": [number, "49", "0", "0"], "result": 0}
    assert list(call_lines([{**call, "call": "ptrace"}])) == [f"ptrace({told}, 49, 0, 0) = 0x0"]
    assert list(call_lines([{**call, "call": "kill"}])) == [f"kill({number}, 49, 0, 0) = 0x0"]


def test_the_names_of_the_requests_are_the_kernel_s() -> None:
    """By the headers of this host's C library. An older kernel lacks the last ones."""
    include = "#include <linux/ptrace.h>\n#include <asm/ptrace-abi.h>\n"
    made = subprocess.run(
        ["gcc", "-E", "-dM", "-"],
        input=include,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    values = dict(re.findall(r"^#define (PTRACE_\w+) (\w+)$", made.stdout, re.MULTILINE))
    assert len(values.keys() & set(REQUESTS.values())) > 30
    for number, name in REQUESTS.items():
        assert int(values.get(name, str(number)), 0) == number, name


def test_the_witness_before_during_and_after() -> None:
    before = BEFORE.as_json()
    during = {**before, "count": {**before["count"], "wrong": before["count"]["wrong"] + 3}}
    phases = before["phases"]
    total = {
        name: count + sum(phase[name] for phase in phases)
        for name, count in during["count"].items()
    }
    witness = {
        "before": before,
        "attacked": during,
        "after": {**during, "count": total, "violations": ["TRACED"]},
        "reached": None,
        "taint": 0,
        "entered": {"klp_enable_patch": 1},
        "stalled_seconds": 0.1,
    }
    lines = list(witness_lines(witness))
    assert lines[0].split() == ["requests", "sent", "right", "wrong", "failed", "starts"]
    assert lines[2].split()[:4] == ["during", "0", "0", "3"]
    assert lines[6].split() == ["between", "these", "0", "0", "0", "0", "0"]
    assert "violations: TRACED" in lines
    assert "arrival: no function can prove it" in lines
    assert "ways into the kernel: klp_enable_patch (1 times)" in lines
    assert list(witness_lines({"machine": "it reset itself"})) == [
        "the machine ended: it reset itself"
    ]
    assert list(witness_lines({})) == []
