# SPDX-License-Identifier: GPL-2.0-only
"""What is printed: escaped, whole, with the line that runs a failed cell again."""

from __future__ import annotations

import io
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree  # what is parsed here was written here

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scripted_lab import AS_EXPECTED, CELLS, ScriptedLab, outcome

from harness.cell import Cell, Outcome
from harness.conclusion import Result, conclude
from harness.matrix import all_cells, closure
from harness.report.junit import write_junit
from harness.report.progress import PlainProgress
from harness.report.terminal import Screen, console, print_report
from harness.report.text import explain, plan_line, rerun_line, summary_line, visible
from harness.witness.verdict import Verdict

if TYPE_CHECKING:
    import pytest

HOSTILE = "\x1b]0;owned\x07\x1b[2J[bold red]held[/] :skull: \u202e\r\n<b>&\ud800\x00"
ISOLATED = Cell("6.12", "isolated", "proc_mem_write")


def results(**script: Outcome) -> list[Result]:
    lab = ScriptedLab()
    outcomes = {cell: lab.run(cell) for cell in all_cells()}
    for name, given_ in script.items():
        variant, _, scenario = name.partition("__")
        outcomes[Cell("6.12", variant, scenario)] = given_
    return [conclude(cell, outcomes) for cell in outcomes]


def report(found: list[Result], cells: list[Cell] | None = None) -> str:
    out = io.StringIO()
    print_report(
        console(out),
        found,
        cells=all_cells() if cells is None else cells,
        seconds=12.0,
        scenario_files=[],
        where=Path("results/x"),
    )
    return out.getvalue()


@given(st.text())
def test_what_is_visible_is_printable_and_one_line(text: str) -> None:
    assert visible(text).isprintable()
    visible(text).encode()


def test_the_matrix_is_whole_and_ends_with_the_counts() -> None:
    text = report(results())
    for cell in all_cells():
        assert cell.scenario in text
    for variant in ("baseline", "isolated", "kthread"):
        assert variant in text.splitlines()[1]
    assert "Overwrite the handler's state through /proc/<pid>/mem." in text
    assert text.splitlines()[-1] == AS_EXPECTED
    assert "Not as expected" not in text
    assert "  6.12-isolated-cgroup_freeze: disrupted: no hook sees it: cgroup v2" in text
    assert "median cell 0.25 s" in text


def test_a_failure_is_explained_with_its_own_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").write_text("#!/bin/sh\n")
    (tmp_path / "run").chmod(0o755)
    text = report(results(isolated__proc_mem_write=outcome(Verdict.TAMPERED, "wrong chain")))
    assert (
        "  6.12-isolated-proc_mem_write: tampered, expected held: wrong chain\n"
        "    ./run scenarios --variant isolated -k proc_mem_write\n"
    ) in text
    assert "! tampered" in text
    assert text.splitlines()[-1].startswith(
        f"{CELLS} cells: {CELLS - 1} as expected, 1 unexpected, 0 errors"
    )


def test_cells_that_were_not_run_are_told() -> None:
    text = report(results()[:5])
    assert "22 not run" in text.splitlines()[-1]
    assert text.count("not run") == 23


def test_guest_text_is_escaped_everywhere(tmp_path: Path) -> None:
    found = results(isolated__proc_mem_write=outcome(Verdict.TAMPERED, HOSTILE))
    text = report(found)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "\\x1b]0;owned\\x07\\x1b[2J[bold red]held[/] :skull: \\u202e\\r\\n<b>&\\ud800" in text
    path = tmp_path / "junit.xml"
    write_junit(path, found, scenario_files=[])
    (failure,) = ElementTree.parse(path).iter("failure")  # noqa: S314
    assert "\\x1b[2J" in failure.get("message", "")
    assert "<b>&\\ud800\\x00" in failure.get("message", "")


def test_a_hole_that_is_no_longer_there_says_what_to_do() -> None:
    (stale,) = [r for r in results(isolated__cgroup_freeze=outcome(Verdict.HELD)) if not r.ok]
    assert explain(stale).startswith("held; the hole declared for isolated (expected disrupted: ")
    assert explain(stale).endswith("is no longer there: remove it")


def test_rerun_lines_carry_all_that_is_not_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = rerun_line(Cell("7.2", "isolated", "mine"), [Path("my scenarios.py")])
    assert shlex.split(line) == [
        *("umd-harness", "run", "--line", "7.2", "--variant", "isolated", "-k", "mine"),
        *("--scenarios", "my scenarios.py"),
    ]


def test_the_plan_counts_what_was_chosen_and_what_comes_with_it() -> None:
    needed = closure([ISOLATED])
    assert plan_line([ISOLATED], needed, jobs=2) == (
        "1 cell (1 scenario on 1 variant of 6.12) and 5 more that they rest on "
        "(controls, references), 2 at a time"
    )
    assert summary_line([], not_run=1) == (
        "0 cells: 0 as expected, 0 unexpected, 0 errors, 0 known holes, 1 not run"
    )


def test_junit_counts_and_tells(tmp_path: Path) -> None:
    found = results(
        isolated__proc_mem_write=outcome(Verdict.TAMPERED),
        kthread__kill_family=outcome(Verdict.ERROR, "QEMU is gone"),
    )
    path = tmp_path / "junit.xml"
    write_junit(path, found, scenario_files=[])
    suites = {suite.get("name"): suite for suite in ElementTree.parse(path).iter("testsuite")}  # noqa: S314
    assert list(suites) == ["6.12.baseline", "6.12.isolated", "6.12.kthread"]
    assert suites["6.12.isolated"].attrib["failures"] == "1"
    assert suites["6.12.kthread"].attrib["errors"] == "1"
    assert sum(int(suite.attrib["tests"]) for suite in suites.values()) == CELLS
    (error,) = suites["6.12.kthread"].iter("error")
    assert error.get("message") == "error: QEMU is gone"
    assert (error.text or "").endswith("--variant kthread -k kill_family")
    outs = [case.findtext("system-out") or "" for case in suites["6.12.isolated"]]
    assert any("known hole: no hook sees it" in out for out in outs)


def test_plain_lines_follow_a_run_without_a_terminal() -> None:
    out = io.StringIO()
    found = results(isolated__proc_mem_write=outcome(Verdict.TAMPERED, HOSTILE))
    with Screen(all_cells(), console(out)) as screen:
        screen.progress("kernel: 1 objects")
        screen.progress("kernel: 2 objects")
        screen.progress("guest: packing")
        for result in found:
            screen.started(result.cell)
            screen.ended(result.cell)
            screen.final(result)
    lines = out.getvalue().splitlines()
    assert lines[:2] == ["kernel: 1 objects", "guest: packing"]
    assert len(lines) == 2 + CELLS
    assert lines[2].startswith(f"[1/{CELLS}] 6.12-baseline-")
    assert sum(" ! " in line for line in lines) == 1
    assert "\x1b" not in out.getvalue()


def test_a_terminal_shows_the_matrix_live_and_leaves_it_clean() -> None:
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, width=100, height=40, markup=False)
    with Screen(all_cells(), terminal) as screen:
        screen.progress("kernel: 7 \x1b[2Jobjects")
        screen.started(ISOLATED)
        screen._live.refresh()
        screen.ended(ISOLATED)
        screen.final(results()[0])
        screen._live.refresh()
    drawn = out.getvalue()
    for text in ("running", "waits for its control", f"1/{CELLS} cells", "7 \\x1b[2Jobjects"):
        assert text in drawn
    assert drawn.endswith("\x1b[2K"), "the live matrix is erased: the final one follows"


def test_a_kind_of_progress_is_printed_now_and_then() -> None:
    lines: list[str] = []
    progress = PlainProgress(lines.append, every=0.0)
    progress("kernel: a")
    progress("kernel: b")
    assert lines == ["kernel: a", "kernel: b"]
    progress = PlainProgress(lines.append, every=60.0)
    for text in ("kernel: c", "kernel: d", "guest: e", "kernel: f"):
        progress(text)
    assert lines[2:] == ["kernel: c", "guest: e", "kernel: f"]


def test_a_cells_own_time_is_in_the_median() -> None:
    slow = replace(outcome(Verdict.HELD), seconds=9.0)
    assert "slowest 9.00 s" in report(results(isolated__nothing=slow))
