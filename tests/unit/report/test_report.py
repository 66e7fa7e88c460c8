# SPDX-License-Identifier: GPL-2.0-only
"""What is printed: escaped, whole, with the line that runs a failed cell again."""

from __future__ import annotations

import io
import shlex
from dataclasses import replace
from errno import EIO
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree  # what is parsed here was written here

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs
from rich.console import Console
from scripted_lab import ScriptedLab, outcome
from small_corpus import CELLS, NAMES, SMALL

from harness.judge.cells import all_cells
from harness.judge.conclusion import conclude
from harness.judge.controls import closure
from harness.model.cell import Cell, Outcome
from harness.model.verdict import Verdict
from harness.report.finished_run import FinishedRun
from harness.report.junit import write_junit
from harness.report.progress import PlainProgress
from harness.report.rows import plain_console
from harness.report.run_report import Extent, Kept, print_report
from harness.report.terminal import Screen, console, progress_line
from harness.report.text import explain, plan_line, rerun_line, summary_line, visible
from harness.scenarios import REFERENCES, Effect, scenario
from harness.scenarios.registry import collecting

if TYPE_CHECKING:
    from harness.judge.result import Result
    from harness.scenarios.corpus import Corpus

REPORT = """
 6.12: scenario                         baseline   isolated                kthread                    parity   isolated-debug
 ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
 nothing                                held       held                    held                                held
 Make no attack. The verdict must be
 `held`.
 host_tamper                            tampered   tampered                tampered                            tampered
 Flip one byte of the handler's state
 from the host. The witness must
 report it.
 ptrace_seize                           tampered   held                    held                       yes      tampered
 Attach with PTRACE_SEIZE and                      EPERM at ptrace
 overwrite the reply as the handler
 enters write(2).
 proc_mem_write                         tampered   held                    held                       yes      tampered
 Overwrite the handler's state
 through /proc/<pid>/mem.
 process_vm_readv                       leaked     held                    held                       yes      leaked
 Read the secret from the handler's
 memory with process_vm_readv(2).
 escape_openat                          tampered   held                    n/a                                 held
 From inside: open a file.                                                 nothing confines kernel
                                                                           code
 dev_mem                                tampered   tampered (known hole)   tampered                   yes      tampered (known hole)
 Overwrite the handler's state in
 physical memory through /dev/mem.

2 known holes:
  6.12 dev_mem: tampered on isolated, isolated-debug: who writes all of memory writes the handler's too
4 attacks won and passed no LSM hook able to deny them:
  6.12 ptrace_seize: baseline, isolated-debug
  6.12 proc_mem_write: baseline, isolated-debug
  6.12 process_vm_readv: baseline, isolated-debug
  6.12 dev_mem: isolated, isolated-debug, kthread
median cell 0.25 s, slowest 0.25 s; 12.0 s in all
results: results/x
28 cells: 28 as expected, 0 unexpected, 0 errors, 2 known holes
"""  # noqa: E501 - the matrix is as wide as it is

HOSTILE = "\x1b]0;owned\x07\x1b[2J[bold red]held[/] :skull: \u202e\r\n<b>&\ud800\x00"
COLUMNS = ("baseline", "isolated", "kthread", "parity", "isolated-debug")
ISOLATED = Cell("6.12", "isolated", "proc_mem_write")


def results(corpus: Corpus = SMALL, /, **script: Outcome) -> list[Result]:
    lab = ScriptedLab(corpus=corpus)
    outcomes = {cell: lab.run(cell) for cell in all_cells(corpus)}
    for name, given_ in script.items():
        variant, _, scenario = name.partition("__")
        outcomes[Cell("6.12", variant, scenario)] = given_
    return [conclude(corpus, cell, outcomes) for cell in outcomes]


def report(
    found: list[Result],
    *,
    corpus: Corpus = SMALL,
    width: int | None = None,
    notes: dict[Cell, str] | None = None,
    extent: Extent = Extent.MATRIX,
) -> str:
    out = io.StringIO()
    run = finished(found, corpus=corpus, notes=notes or {})
    on = plain_console(out, width=width) if width else console(out)
    print_report(on, run, kept=Kept(Path("results/x/matrix.txt")), extent=extent)
    return out.getvalue()


def finished(
    found: list[Result], *, corpus: Corpus = SMALL, notes: dict[Cell, str] | None = None
) -> FinishedRun:
    return FinishedRun(
        corpus=corpus,
        cells=all_cells(corpus),
        results={result.cell: result for result in found},
        seconds=12.0,
        where=Path("results/x"),
        notes=notes or {},
        rerun=partial(rerun_line, corpus=corpus),
    )


@given(st.text())
def test_what_is_visible_is_printable_and_one_line(text: str) -> None:
    assert visible(text).isprintable()
    visible(text).encode()


@given(st.text("#:[] e"))
@example("::error::held")
@example("#" * 5 + "[error]held")
@example("##vso[task.complete]")
def test_nothing_visible_is_an_order_to_a_ci_system(text: str) -> None:
    assert "::" not in visible(text)
    assert "##" not in visible(text)
    assert visible(text).replace("\\x3a", ":").replace("\\x23", "#") == text


def test_the_matrix_is_whole_and_ends_with_the_counts() -> None:
    found = results(
        baseline__dev_mem=replace(outcome(Verdict.TAMPERED), refusable=("security_file_open",)),
        isolated__ptrace_seize=outcome(Verdict.HELD, "EPERM at ptrace"),
    )
    assert [line.rstrip() for line in report(found).splitlines()] == REPORT.splitlines()


@pytest.mark.parametrize("width", [64, 80, 130])
def test_a_narrow_terminal_gets_the_whole_matrix_in_parts(width: int) -> None:
    with collecting() as found:

        @scenario(effect=Effect.INTEGRITY, surface="own", answers=())
        def a_scenario_with_a_name_as_long_as_this(attacker: object, handler: object) -> None:
            """Have a long name, which -k takes as it is."""

    corpus = SMALL.with_scenarios(found)
    lines = report(results(corpus), corpus=corpus, width=width).splitlines()
    heads = [line.split()[2:] for line in lines if line.startswith(" 6.12: scenario")]
    assert [variant for head in heads for variant in head] == list(COLUMNS)
    assert (len(heads) > 1) == (width < 130)
    assert max(map(len, lines[: lines.index("2 known holes:")])) <= width
    for name in (*NAMES, "a_scenario_with_a_name_as_long_as_this"):
        rows = [line.split() for line in lines if line.startswith(f" {name} ")]
        verdicts = [word for row in rows for word in row[1:] if not word.startswith(("(", "hole"))]
        expected = [
            str(corpus.scenarios[name].expected(corpus.variants[column]))
            for column in COLUMNS
            if column != "parity"
        ]
        if not corpus.scenarios[name].inside and name not in REFERENCES:
            expected.insert(COLUMNS.index("parity"), "yes")
        assert verdicts == expected


def test_a_failure_is_explained_with_its_own_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harness.report.text.CHECKOUT", tmp_path)
    (tmp_path / "run").write_text("#!/bin/sh\n")
    text = report(results(isolated__proc_mem_write=outcome(Verdict.TAMPERED, "wrong chain")))
    assert (
        "  6.12-isolated-proc_mem_write: tampered, expected held: wrong chain\n"
        "    ./run scenarios --variant isolated -k proc_mem_write\n"
    ) in text
    assert "! tampered" in text
    assert text.splitlines()[-1].startswith("28 cells: 27 as expected, 1 unexpected, 0 errors")


def test_cells_that_were_not_run_are_told() -> None:
    text = report(results()[:5])
    assert "23 not run" in text.splitlines()[-1]
    assert text.count("not run") == 24


def test_guest_text_is_escaped_everywhere(tmp_path: Path) -> None:
    found = results(isolated__proc_mem_write=outcome(Verdict.TAMPERED, HOSTILE))
    text = report(found)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "\\x1b]0;owned\\x07\\x1b[2J[bold red]held[/] :skull: \\u202e\\r\\n<b>&\\ud800" in text
    path = tmp_path / "junit.xml"
    write_junit(path, found, rerun=partial(rerun_line, corpus=SMALL))
    (failure,) = ElementTree.parse(path).iter("failure")  # noqa: S314
    assert "\\x1b[2J" in failure.get("message", "")
    assert "<b>&\\ud800\\x00" in failure.get("message", "")


def test_a_hole_that_is_no_longer_there_says_what_to_do() -> None:
    (stale,) = [r for r in results(isolated__dev_mem=outcome(Verdict.HELD)) if not r.ok]
    assert explain(stale).startswith("held; the hole declared for isolated (expected tampered: ")
    assert explain(stale).endswith("is closed: remove it from the scenario")


def test_rerun_lines_carry_all_that_is_not_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").write_text("#!/bin/sh\n")  # somebody else's
    (tmp_path / "run").chmod(0o755)
    result = results()[0]
    mine = replace(result.scenario, origin=("--scenario", "my scenarios.py"))
    cell = Cell("7.2", "isolated", "mine")
    line = rerun_line(structs.replace(result, cell=cell, scenario=mine), SMALL, engine="virtme")
    assert shlex.split(line) == [
        *("umd-harness", "run", "--line", "7.2", "--engine", "virtme"),
        *("--variant", "isolated", "-k", "mine"),
        *("--scenario", "my scenarios.py"),
    ]


def test_the_plan_counts_what_was_chosen_and_what_comes_with_it() -> None:
    needed = closure(SMALL, [ISOLATED])
    assert plan_line([ISOLATED], needed, jobs=2) == (
        "1 cell (1 scenario on 1 variant of 6.12) and 5 more that their results depend on "
        "(controls, references), 2 at a time"
    )
    assert summary_line([], not_run=1) == (
        "0 cells: 0 as expected, 0 unexpected, 0 errors, 0 known holes, 1 not run"
    )


def counted(suite: ElementTree.Element) -> tuple[int, ...]:
    kinds = ("tests", "errors", "failures", "skipped")
    return tuple(int(suite.attrib[kind]) for kind in kinds)


def test_junit_counts_and_tells(tmp_path: Path) -> None:
    found = results(
        isolated__proc_mem_write=outcome(Verdict.TAMPERED),
        kthread__ptrace_seize=outcome(Verdict.ERROR, "QEMU is gone"),
    )
    path = tmp_path / "junit.xml"
    write_junit(path, found, rerun=partial(rerun_line, corpus=SMALL))
    suites = {suite.get("name"): suite for suite in ElementTree.parse(path).iter("testsuite")}  # noqa: S314
    assert {name: counted(suite) for name, suite in suites.items()} == {
        "6.12.baseline": (7, 0, 0, 0),
        "6.12.isolated": (7, 0, 1, 0),
        "6.12.isolated-debug": (7, 0, 0, 0),
        "6.12.kthread": (7, 1, 0, 1),
    }
    assert all(len(suite.findall("testcase")) == 7 for suite in suites.values())
    (skipped,) = suites["6.12.kthread"].iter("skipped")
    assert skipped.get("message") == "nothing confines kernel code"
    (error,) = suites["6.12.kthread"].iter("error")
    assert error.get("message") == "error: QEMU is gone"
    assert (error.text or "").endswith("--variant kthread -k ptrace_seize")
    outs = [case.findtext("system-out") or "" for case in suites["6.12.isolated"]]
    assert any("known hole: who writes all of memory" in out for out in outs)


def test_plain_lines_follow_a_run_without_a_terminal() -> None:
    out = io.StringIO()
    found = results(isolated__proc_mem_write=outcome(Verdict.TAMPERED, HOSTILE))
    with Screen(SMALL, all_cells(SMALL), console(out)) as screen:
        screen.progress("kernel: 1 objects")
        screen.progress("kernel: 2 objects")
        screen.progress("guest image: packing")
        for result in found:
            screen.started(result.cell)
            screen.ended(result.cell)
            screen.final(result)
    lines = out.getvalue().splitlines()
    assert lines[:2] == ["kernel: 1 objects", "guest image: packing"]
    assert len(lines) == 2 + CELLS
    assert lines[2].startswith(f"[1/{CELLS}] 6.12-baseline-")
    assert sum(" ! " in line for line in lines) == 1
    assert "\x1b" not in out.getvalue()


def test_a_terminal_shows_the_matrix_live_and_leaves_it_clean() -> None:
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, width=100, height=40, markup=False)
    with Screen(SMALL, all_cells(SMALL), terminal) as screen:
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


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_dumb_terminal_and_a_pipe_get_lines_now_and_then(
    is_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=is_terminal, width=100, markup=False)
    lost = Cell("6.12", "isolated", "proc_mem_write")
    cells = [
        *all_cells(SMALL),
        *(structs.replace(ISOLATED, scenario=f"more_{n}") for n in range(9)),
    ]
    with Screen(SMALL, cells, terminal) as screen:
        screen.progress("kernel: 1 objects")
        for result in results(isolated__proc_mem_write=outcome(Verdict.TAMPERED)):
            screen.started(result.cell)
            screen.final(result)
    build, first, unexpected = out.getvalue().splitlines()
    assert build == "kernel: 1 objects"
    assert first.startswith(f"[1/{len(cells)}] ")
    assert f"] {lost.id} ! tampered, expected held" in unexpected
    assert "\x1b" not in out.getvalue()


def test_what_is_left_of_a_resumed_run_is_told_by_the_pace_of_its_own_cells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    out = io.StringIO()
    cells = [
        *all_cells(SMALL),
        *(structs.replace(ISOLATED, scenario=f"more_{n}") for n in range(9)),
    ]
    screen = Screen(SMALL, cells, console(out))
    *known, last = results()
    for result in known:
        screen.known(result)
    screen.started(last.cell)
    now[0] += 5
    screen.final(last)
    assert out.getvalue().startswith(f"[{CELLS}/{len(cells)}] ")
    assert out.getvalue().endswith(", about 45 s left\n"), "9 more of 5 s each"


def test_a_run_goes_on_if_its_output_takes_no_more() -> None:
    class Closed(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(EIO, "the terminal was closed")

    with Screen(SMALL, all_cells(SMALL), console(Closed())) as screen:
        for result in results():
            screen.started(result.cell)
            screen.final(result)
        screen.say("stopping after the running cells")


def test_what_is_left_is_told_by_what_the_cells_took_in_an_earlier_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first cells take twenty times as long as the others, as they did before."""
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    out = io.StringIO()
    slow, new = results()[-2:]
    more = [structs.replace(ISOLATED, scenario=f"more_{n}") for n in range(38)]
    seconds = {slow.cell.scenario: 20.0, **{cell.scenario: 1.0 for cell in more}}
    screen = Screen(SMALL, [slow.cell, new.cell, *more], console(out), seconds=seconds)
    screen.started(slow.cell)
    now[0] += 40
    screen.final(slow)
    mean = (20 + 38) / 39
    left = 2 * (38 + mean)
    assert out.getvalue().endswith(f", about {left:.0f} s left\n")


def test_progress_on_a_terminal_is_one_line_with_a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    for term, drawn in (("xterm", "[0:00] kernel: 1 of 2"), ("dumb", "kernel: 1 of 2\n")):
        monkeypatch.setenv("TERM", term)
        out = io.StringIO()
        with progress_line(Console(file=out, force_terminal=True, width=60)) as progress:
            progress("kernel: 1 of 2")
        assert drawn in out.getvalue()
        assert ("\x1b" in out.getvalue()) == (term == "xterm")


def test_a_low_terminal_shows_the_rows_around_the_one_begun_last() -> None:
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, width=80, height=9, markup=False)
    with Screen(SMALL, all_cells(SMALL), terminal) as screen:
        for name in NAMES:
            screen.started(Cell("6.12", "isolated", name))
        screen.ended(Cell("6.12", "isolated", "escape_openat"))
        screen.progress("kernel: 7 objects")
        out.truncate(0)
        screen._live.refresh()
        shown = out.getvalue()
    assert [name for name in NAMES if name in shown] == list(NAMES[-3:])
    assert "running" in shown
    for text in ("0/28 cells", "kernel: 7 objects"):
        assert text in shown


def test_a_kind_of_progress_is_printed_now_and_then() -> None:
    lines: list[str] = []
    progress = PlainProgress(lines.append, every=0.0)
    progress("kernel: 1 objects, CC a.o")
    progress("kernel: 2 objects, CC b.o")
    assert lines == ["kernel: 1 objects, CC a.o", "[0:00] kernel: 2 objects, CC b.o"]
    progress = PlainProgress(lines.append, every=60.0)
    objects = [f"kernel: {number} of 9 objects, CC a.o" for number in range(9)]
    for text in (*objects, "kernel: collecting the image", objects[8]):
        progress(text)
    assert lines[2:] == [objects[0], "kernel: collecting the image", objects[8]]


def test_a_silent_phase_is_printed_now_and_then_and_not_after_its_end() -> None:
    lines: list[str] = []
    progress = PlainProgress(lines.append, silence=0.0)
    progress.beat()
    assert lines == []
    progress("source: unpacking linux.tar.xz")
    progress.beat()
    assert lines[1:] == ["[0:00] source: unpacking linux.tar.xz"]
    progress.end()
    progress.beat()
    assert len(lines) == 2


def test_a_cells_own_time_is_in_the_median() -> None:
    slow = replace(outcome(Verdict.HELD), seconds=9.0)
    assert "slowest 9.00 s" in report(results(isolated__nothing=slow))
