# SPDX-License-Identifier: GPL-2.0-only
"""`run --failed`: a new run of the cells that were not as expected in another run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from command_line import latest, umd_harness
from kept_runs import keep_run
from outcomes import ISOLATED
from scripted_lab import outcome

from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

MINE = """
from harness.scenarios import Effect, scenario

@scenario(effect=Effect.INTEGRITY, surface="own", answers=())
def mine(attacker, handler):
    '''Do what I think of.'''
"""
FAILING = """{
    ('isolated', 'proc_mem_write'): outcome(Verdict.TAMPERED, 'chain'),
    ('kthread', 'ptrace_seize'): outcome(Verdict.ERROR, 'gone'),
    ('isolated', 'mine'): outcome(Verdict.TAMPERED),
}"""


def runs(where: Path) -> set[str]:
    return {path.name for path in where.glob("results/2*")}


def test_what_failed_runs_again_with_what_it_rests_on(tmp_path: Path) -> None:
    assert umd_harness(tmp_path, "run", script=FAILING).returncode == 2
    [first] = runs(tmp_path)
    again = umd_harness(tmp_path, "run", "--failed", "--jobs", "1", script=FAILING)
    assert again.returncode == 2, "they fail again"
    said = f"2 of the 28 cells of {first} were not as expected; 2 of them run again\n2 cells ("
    assert again.stdout.startswith(said)
    narrow = umd_harness(tmp_path, "run", "--failed", first, "-k", "ptrace", script=FAILING)
    assert "2 of the 28 cells of" in narrow.stdout
    header, lines = latest(tmp_path)
    assert header["selected"] == ["6.12-kthread-ptrace_seize"]
    assert (header["failed_of"], header["arguments"]) == (first, ["run", "-k", "ptrace"])
    assert len(lines) == 6
    assert umd_harness(tmp_path, "run", "--failed", first).returncode == 0
    assert latest(tmp_path)[0]["selected"] == [ISOLATED.id, "6.12-kthread-ptrace_seize"]
    before = runs(tmp_path)
    none = umd_harness(tmp_path, "run", "--failed")
    assert (none.returncode, none.stderr, runs(tmp_path)) == (0, "", before)
    [told] = none.stdout.splitlines()
    assert told.startswith("0 of the 10 cells of 2")
    assert told.endswith(" were not as expected")


def test_the_files_variants_and_engine_are_those_of_the_run(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    words = ["--variant", "isolated", "--engine", "virtme", "--scenario", "mine.py"]
    assert umd_harness(tmp_path, "run", *words, "-k", "mine", script=FAILING).returncode == 1
    first = latest(tmp_path)[0]
    assert umd_harness(tmp_path, "run", "--failed").returncode == 0
    header = latest(tmp_path)[0]
    assert header["selected"] == first["selected"] == ["6.12-isolated-mine"]
    assert (header["engine"], header["arguments"]) == ("virtme", ["run", *words])
    assert header["brought"] == first["brought"]


def test_a_pytest_session_has_failed_cells_too(tmp_path: Path) -> None:
    facts = {"arguments": ["pytest", "-k", "x"], "engine": "virtme", "stopped_by": "SIGINT"}
    lost = {"isolated__proc_mem_write": outcome(Verdict.TAMPERED)}
    run = keep_run(tmp_path / "results", "session", header=facts, script=lost)
    done = umd_harness(tmp_path, "run", "--failed", "session")
    assert done.returncode == 0, done.stderr
    assert "cells of session were not as expected (stopped by SIGINT); 1 of them" in done.stdout
    header = latest(tmp_path)[0]
    assert (header["selected"], header["engine"]) == ([ISOLATED.id], "virtme")
    assert header["arguments"] == ["run", "--engine", "virtme"]
    assert json.loads((run / "run.json").read_text())["failed_of"] is None
