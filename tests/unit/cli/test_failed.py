# SPDX-License-Identifier: GPL-2.0-only
"""`run --failed`: a new run of the cells that were not as expected in another run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kept_runs import keep_run
from outcomes import CONTROL, ISOLATED
from scripted_lab import outcome

from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from command_here import Here

pytest_plugins = ["command_here"]

MINE = """
from harness.scenarios import Effect, scenario

@scenario(effect=Effect.INTEGRITY, surface="own", answers=())
def mine(attacker, handler):
    '''Do what I think of.'''
"""
FAILING = {
    ("isolated", "proc_mem_write"): outcome(Verdict.TAMPERED, "chain"),
    ("kthread", "ptrace_seize"): outcome(Verdict.ERROR, "gone"),
    ("isolated", "mine"): outcome(Verdict.TAMPERED),
}


def runs(where: Path) -> set[str]:
    return {path.name for path in where.glob("results/2*")}


def test_what_failed_runs_again_with_what_it_rests_on(here: Here) -> None:
    assert here.run(script=FAILING) == 2
    [first] = runs(here.folder)
    assert here.run("--failed", "--jobs", "1", script=FAILING) == 2, "they fail again"
    said = f"2 of the 28 cells of {first} were not as expected; 2 of them run again\n2 cells ("
    assert here.out.startswith(said)
    here.run("--failed", first, "-k", "ptrace", script=FAILING)
    assert "2 of the 28 cells of" in here.out
    header, lines = here.latest()
    assert header["selected"] == ["6.12-kthread-ptrace_seize"]
    assert (header["failed_of"], header["arguments"]) == (first, ["run", "-k", "ptrace"])
    assert len(lines) == 6
    assert here.run("--failed", first) == 0
    assert here.latest()[0]["selected"] == [ISOLATED.id, "6.12-kthread-ptrace_seize"]
    before = runs(here.folder)
    assert (here.run("--failed"), here.error, runs(here.folder)) == (0, "", before)
    [told] = here.out.splitlines()
    assert told.startswith("0 of the 10 cells of 2")
    assert told.endswith(" were not as expected")


def test_the_files_variants_and_engine_are_those_of_the_run(here: Here) -> None:
    (here.folder / "mine.py").write_text(MINE)
    words = ["--variant", "isolated", "--engine", "virtme", "--scenario", "mine.py"]
    assert here.run(*words, "-k", "mine", script=FAILING) == 1
    first = here.latest()[0]
    assert here.run("--failed") == 0
    header = here.latest()[0]
    assert header["selected"] == first["selected"] == ["6.12-isolated-mine"]
    assert (header["engine"], header["arguments"]) == ("virtme", ["run", *words])
    assert header["brought"] == first["brought"]


def test_a_pytest_session_has_failed_cells_too(here: Here) -> None:
    facts = {"arguments": ["pytest", "-k", "x"], "engine": "virtme", "stopped_by": "SIGINT"}
    lost = {"isolated__proc_mem_write": outcome(Verdict.TAMPERED)}
    keep_run(here.folder / "results", "session", header=facts, script=lost)
    assert (here.run("--failed", "session"), here.error) == (0, "")
    assert "cells of session were not as expected (stopped by SIGINT); 1 of them" in here.out
    header = here.latest()[0]
    assert (header["selected"], header["engine"]) == ([ISOLATED.id], "virtme")
    assert header["arguments"] == ["run", "--engine", "virtme"]


def test_a_control_that_failed_on_a_variant_that_nobody_named_runs_again(here: Here) -> None:
    lost = {("baseline", "proc_mem_write"): outcome(Verdict.HELD)}
    assert here.run("--variant", "isolated", "-k", "proc_mem_write", script=lost) == 2
    assert here.run("--failed") == 0
    assert "2 of them run again\n" in here.out
    assert set(here.latest()[0]["selected"]) == {ISOLATED.id, CONTROL.id}
