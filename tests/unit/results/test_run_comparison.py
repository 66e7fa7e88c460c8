# SPDX-License-Identifier: GPL-2.0-only
"""What became of each cell from one run to the other."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept_runs import keep_run
from outcomes import CONTROL, ISOLATED, cell
from result_lines import result_line
from scripted_lab import outcome
from small_corpus import SMALL, changed

from harness.host.errors import UserError
from harness.model.verdict import Axes, Verdict
from harness.report.comparison_report import as_json, markdown, summary, text
from harness.results.recorded_run import RecordedRun, read_run
from harness.results.result_line import SCHEMA
from harness.results.run_comparison import (
    FAILURES,
    ORDER,
    Change,
    RunComparison,
    change_between,
    compare,
)
from harness.results.run_header import RunHeader
from harness.scenarios import Hole

if TYPE_CHECKING:
    from pathlib import Path

    from harness.model.cell import Cell, Outcome
    from harness.results.result_line import ResultLine


READ = cell("isolated", "process_vm_readv")


def compared(root: Path, old: dict[str, Outcome], new: dict[str, Outcome]) -> RunComparison:
    keep_run(root, "old", script=old)
    keep_run(root, "new", script=new)
    return compare(read_run("old", root=root), read_run("new", root=root))


def changes(comparison: RunComparison) -> dict[Cell, Change]:
    """The cells that are not the same."""
    return {one.cell: one.change for one in comparison.cells if one.change is not Change.SAME}


def test_a_run_is_the_same_as_itself(tmp_path: Path) -> None:
    comparison = compared(tmp_path, {}, {})
    assert changes(comparison) == {}
    assert comparison.counts()[Change.SAME] == 28
    assert summary(comparison) == "28 cells: 0 worse, 0 better, 28 the same"
    assert not comparison.failed(["changed"])


def test_what_is_lost_anew_is_worse_and_the_other_way_round_better(tmp_path: Path) -> None:
    lost = {"isolated__proc_mem_write": outcome(Verdict.TAMPERED, "17 wrong replies")}
    worse = compared(tmp_path / "a", {}, lost)
    assert changes(worse) == {ISOLATED: Change.WORSE}
    (one,) = worse.of(Change.WORSE)
    assert (one.worse, one.better) == (("integrity",), ())
    assert worse.cells[0] == one, "what matters most comes first"
    better = compared(tmp_path / "b", lost, {})
    assert changes(better) == {ISOLATED: Change.BETTER}
    assert not better.failed(["worse", "error", "gone"])
    assert better.failed(["changed"])


def test_worse_on_one_axis_is_worse_whatever_else_is_better(tmp_path: Path) -> None:
    leaked = {"isolated__process_vm_readv": outcome(Verdict.LEAKED)}
    hung = {"isolated__process_vm_readv": outcome(Verdict.DISRUPTED)}
    for number, (old, new) in enumerate(((leaked, hung), (hung, leaked))):
        comparison = compared(tmp_path / str(number), old, new)
        assert changes(comparison) == {READ: Change.WORSE}
        (one,) = comparison.of(Change.WORSE)
        assert {*one.worse, *one.better} == {"confidentiality", "availability"}
        assert len(one.worse) == 1


def test_the_same_verdict_with_one_more_axis_is_worse(tmp_path: Path) -> None:
    both = outcome(Verdict.TAMPERED, axes=Axes(integrity=True, availability=True))
    one = outcome(Verdict.TAMPERED)
    comparison = compared(
        tmp_path, {"isolated__dev_mem": one}, {"isolated__dev_mem": replace(both)}
    )
    assert changes(comparison) == {cell("isolated", "dev_mem"): Change.WORSE}


def test_a_step_gained_is_worse_though_both_are_held(tmp_path: Path) -> None:
    gained = replace(outcome(Verdict.HELD), gained=("an address",))
    comparison = compared(tmp_path, {}, {"isolated__proc_mem_write": gained})
    (one,) = comparison.of(Change.WORSE)
    assert one.worse == ("a step",)


def test_no_conclusion_is_neither_better_nor_worse(tmp_path: Path) -> None:
    lost = {"isolated__proc_mem_write": outcome(Verdict.TAMPERED)}
    broken = {"isolated__proc_mem_write": outcome(Verdict.ERROR, "silence")}
    now = compared(tmp_path / "a", lost, broken)
    assert changes(now) == {ISOLATED: Change.ERROR_NOW}
    assert now.failed(["error"])
    assert not now.failed(["worse"])
    before = compared(tmp_path / "b", broken, {})
    assert changes(before) == {ISOLATED: Change.ERROR_BEFORE}
    assert not before.failed(["worse", "error", "gone"])
    still = compared(tmp_path / "c", broken, broken)
    assert changes(still) == {ISOLATED: Change.STILL_ERROR}


def test_a_cell_whose_control_did_not_win_is_an_error_and_not_better(tmp_path: Path) -> None:
    lost = {"isolated__proc_mem_write": outcome(Verdict.TAMPERED)}
    comparison = compared(tmp_path, lost, {"baseline__proc_mem_write": outcome(Verdict.HELD)})
    found = changes(comparison)
    assert found[ISOLATED] is Change.ERROR_NOW
    assert found[CONTROL] is Change.ERROR_NOW, "nor is the control itself"
    assert not comparison.of(Change.BETTER)


def test_a_reference_that_is_not_seen_any_more_is_not_better(tmp_path: Path) -> None:
    comparison = compared(tmp_path, {}, {"isolated__host_tamper": outcome(Verdict.HELD)})
    assert len(comparison.of(Change.ERROR_NOW)) == 7
    assert not comparison.of(Change.BETTER)


def test_what_cannot_be_tried_any_more_is_not_better(tmp_path: Path) -> None:
    lost = {"isolated__proc_mem_write": outcome(Verdict.TAMPERED)}
    lacking = {"isolated__proc_mem_write": outcome(Verdict.NOT_APPLICABLE, "no such option")}
    assert changes(compared(tmp_path / "a", lost, lacking)) == {ISOLATED: Change.NOT_APPLICABLE_NOW}
    assert changes(compared(tmp_path / "b", lacking, lost)) == {
        ISOLATED: Change.NOT_APPLICABLE_BEFORE
    }
    assert changes(compared(tmp_path / "c", lacking, lacking)) == {}


def test_another_detail_and_another_expectation_are_told_apart(tmp_path: Path) -> None:
    before = {"isolated__proc_mem_write": outcome(Verdict.TAMPERED, "17 wrong")}
    keep_run(tmp_path, "old", script=before)
    detail = {"isolated__proc_mem_write": outcome(Verdict.TAMPERED, "16 wrong")}
    keep_run(tmp_path, "detail", script=detail)
    hole = Hole(Verdict.TAMPERED, "nothing can be done about it")
    holed = changed(SMALL, "proc_mem_write", holes={"isolated": hole})
    keep_run(tmp_path, "expected", script=detail, corpus=holed)
    old, other, expected = (read_run(name, root=tmp_path) for name in ("old", "detail", "expected"))
    assert changes(compare(old, other)) == {ISOLATED: Change.DETAIL}
    assert not compare(old, other).failed(["changed"])
    assert changes(compare(old, expected)) == {ISOLATED: Change.EXPECTATION}
    assert compare(old, expected).failed(["changed"])
    assert "expectation changed (1)" in text(compare(old, expected))


def test_new_and_gone(tmp_path: Path) -> None:
    keep_run(tmp_path, "old")
    rest = {name: one for name, one in SMALL.scenarios.items() if name != "dev_mem"}
    keep_run(tmp_path, "new", corpus=replace(SMALL, scenarios=rest))
    old, new = read_run("old", root=tmp_path), read_run("new", root=tmp_path)
    fewer, more = compare(old, new), compare(new, old)
    assert {one.cell.scenario for one in fewer.of(Change.GONE)} == {"dev_mem"}
    assert len(fewer.of(Change.GONE)) == len(more.of(Change.NEW)) == 4
    assert fewer.failed(["gone"])
    assert not fewer.failed(["worse", "error"])
    assert not more.failed(["worse", "error", "gone"])


def test_what_a_run_that_was_cut_short_lacks_is_said_and_fails(tmp_path: Path) -> None:
    keep_run(tmp_path, "old")
    stopped = {"finished": "later", "stopped_by": "SIGINT", "selected": [ISOLATED.id, READ.id]}
    keep_run(tmp_path, "new", without=[ISOLATED, cell("isolated", "dev_mem")], header=stopped)
    old, new = read_run("old", root=tmp_path), read_run("new", root=tmp_path)
    comparison = compare(old, new)
    assert changes(comparison) == {
        ISOLATED: Change.NOT_RUN,
        cell("isolated", "dev_mem"): Change.GONE,  # it was not chosen
    }
    assert comparison.failed(["error"])
    said = "cut short: stopped by SIGINT; 1 chosen cell not run"
    assert said in text(comparison)
    assert said in markdown(comparison)
    assert "cut short" not in text(compare(old, old))


def test_lines_and_variants_may_be_held_against_each_other(tmp_path: Path) -> None:
    keep_run(tmp_path, "run")
    run = read_run("run", root=tmp_path)
    comparison = compare(run, run, renamed=[("baseline", "isolated")])
    assert {one.cell.variant for one in comparison.cells} == {"isolated"}
    assert len(comparison.cells) == 7
    assert {one.cell.scenario for one in comparison.of(Change.BETTER)} == {
        "ptrace_seize",
        "proc_mem_write",
        "process_vm_readv",
        "escape_openat",
    }
    same = compare(run, run, renamed=[("6.12", "6.12"), ("kthread", "kthread")])
    assert changes(same) == {}
    assert len(same.cells) == 7
    with pytest.raises(UserError, match=r"no line or variant of the old run; it has 6\.12"):
        compare(run, run, renamed=[("6.1", "6.12")])
    with pytest.raises(UserError, match="a line on one side and a variant on the other"):
        compare(run, run, renamed=[("6.12", "isolated")])


def test_runs_are_found_by_folder_by_name_and_as_the_latest(tmp_path: Path) -> None:
    path = keep_run(tmp_path / "results", "a")
    keep_run(tmp_path / "results", "b")
    root = tmp_path / "results"
    assert read_run(str(path), root=tmp_path / "nowhere").name == "a"
    assert read_run("a", root=root).name == "a"
    assert read_run("latest", root=root).name == "b", "its own name, not the link's"
    assert len(read_run("a", root=root).cells) == 28


BROKEN = {
    "no header": ("run.json", "", r"run/run\.json is damaged: Expecting value"),
    "a header that is a list": ("run.json", "[]", "is damaged: Expected `object`, got `array`"),
    "an older schema": ("run.json", '{"schema": 3}', "another version .*schema 3"),
    "no schema": ("run.json", "{}", "another version .*schema None"),
    "a field of another type": (
        "run.json",
        f'{{"schema": {SCHEMA}, "started": 5}}',
        r"is damaged: Expected `str \| null`, got `int` - at `\$\.started`",
    ),
    "a field that nobody knows": (
        "run.json",
        f'{{"schema": {SCHEMA}, "begun": "now"}}',
        "is damaged: Object contains unknown field `begun`",
    ),
    "no results": ("results.jsonl", "", "has no results"),
    "no JSON": ("results.jsonl", "{]\n", r"run/results\.jsonl is damaged in line 1: Expecting"),
    "no object": ("results.jsonl", "1\n", "is damaged in line 1: Expected `object`, got `int`"),
    "a field missing": (
        "results.jsonl",
        '{"line": "6.12"}\n',
        "is damaged in line 1: Object missing required field `schema`",
    ),
    "binary": ("results.jsonl", "\udcff\udcfe\n", "is damaged in line 1"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_run_is_one_clear_error(tmp_path: Path, what: str) -> None:
    file, content, message = BROKEN[what]
    run = keep_run(tmp_path, "run")
    (run / file).write_text(content, errors="surrogateescape")
    with pytest.raises(UserError, match=message):
        read_run("run", root=tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"verdict": "tampered", "axes"', '"verdict": "held", "axes"', "its axes say otherwise"),
        ('"verdict": "tampered", "axes"', '"verdict": "error", "axes"', "its axes say otherwise"),
        (f'"schema": {SCHEMA}', '"schema": 7', f"schema 7, and this version reads {SCHEMA}"),
        ('"integrity": true, ', "", "its axes say otherwise"),
    ],
)
def test_a_line_that_contradicts_itself_is_not_believed(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    run = keep_run(tmp_path, "run")
    lines = (run / "results.jsonl").read_text()
    assert old in lines
    (run / "results.jsonl").write_text(lines.replace(old, new))
    with pytest.raises(UserError, match=message):
        read_run("run", root=tmp_path)


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    run = keep_run(tmp_path, "run")
    with (run / "results.jsonl").open("a") as file:
        file.write('{"schema": 5, "line": "6.')
    assert len(read_run("run", root=tmp_path).cells) == 28


@pytest.mark.parametrize("kept", [27, 1, 0])
def test_a_file_cut_short_is_held_against_the_count_of_the_run(tmp_path: Path, kept: int) -> None:
    run = keep_run(tmp_path, "run", header={"counts": {"cells": 28, "not_run": 0}})
    assert len(read_run("run", root=tmp_path).cells) == 28
    lines = (run / "results.jsonl").read_text().splitlines(keepends=True)
    (run / "results.jsonl").write_text("".join(lines[:kept]) + lines[kept][:-9])
    message = rf"results\.jsonl has {kept} cells, and run\.json counts 28: results were lost"
    with pytest.raises(UserError, match=message):
        read_run("run", root=tmp_path)


def test_a_run_without_its_file_of_results_was_cut_short(tmp_path: Path) -> None:
    run = keep_run(tmp_path, "run", header={"counts": {"cells": 28}})
    (run / "results.jsonl").unlink()
    with pytest.raises(UserError, match=r"has 0 cells, and run\.json counts 28"):
        read_run("run", root=tmp_path)


def test_no_run_at_all_says_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no runs yet; make one: umd-harness run --results"):
        read_run("latest", root=tmp_path)
    keep_run(tmp_path, "20261125T184148Z-e2c5ae")
    with pytest.raises(UserError, match=r"no run x, .*such as 20261125T184148Z-e2c5ae"):
        read_run("x", root=tmp_path)
    (tmp_path / "notes").mkdir()
    with pytest.raises(UserError, match="not the folder of a run"):
        read_run("notes", root=tmp_path)


def test_the_reports_tell_the_change_and_both_runs(tmp_path: Path) -> None:
    hostile = outcome(Verdict.TAMPERED, "`<b>@all|\x1b[31m")
    comparison = compared(tmp_path, {}, {"isolated__proc_mem_write": hostile})
    said = text(comparison).splitlines()
    assert said[0].startswith(
        "old  old: line 6.12, image 0123456789ab, series fedcba987654, handler hash, host"
    )
    assert said[2:4] == [
        "worse (1):",
        "  6.12 isolated proc_mem_write: held -> tampered (`<b>@all|\\x1b[31m), expected held: "
        "worse on integrity",
    ]
    assert said[-1] == "28 cells: 1 worse, 0 better, 27 the same"
    page = markdown(comparison).splitlines()
    assert page[0] == "**28 cells: 1 worse, 0 better, 27 the same**"
    assert "| image | `0123456789ab` | `0123456789ab` |" in page
    assert page[-1] == (
        "| **worse**: integrity | `6.12 isolated proc_mem_write` | `held` | "
        "`tampered ('<b>@all\\|\\x1b[31m), expected held` |"
    )
    value = json.loads(as_json(comparison, failed=comparison.failed(["worse"])))
    assert value["failed"] == [ISOLATED.id]
    assert value["counts"]["worse"] == 1
    assert value["old"]["image"] == "0123456789abcdef"
    (one,) = value["cells"]
    assert (one["change"], one["worse"]) == ("worse", ["integrity"])
    assert (one["old"]["verdict"], one["new"]["lost"]) == ("held", ["integrity"])


def test_a_mail_is_not_to_be_scrolled() -> None:
    cells = {cell("isolated", f"attack_{number}"): HELD for number in range(100)}
    comparison = compare(RecordedRun("old", HEADER, {}), RecordedRun("new", HEADER, cells))
    page = markdown(comparison)
    assert page.count("| new | `6.12") == 40
    assert page.endswith("| new | and 60 more | | |")
    assert text(comparison).count("attack_") == 100


HEADER = RunHeader(finished="now")
HELD = result_line(Verdict.HELD)

VERDICTS = {
    frozenset[str](): Verdict.HELD,
    frozenset({"a step"}): Verdict.HELD,
    frozenset({"confidentiality"}): Verdict.LEAKED,
    frozenset({"availability"}): Verdict.DISRUPTED,
    frozenset({"availability", "confidentiality"}): Verdict.DISRUPTED,
    frozenset({"integrity"}): Verdict.TAMPERED,
    frozenset({"integrity", "availability"}): Verdict.TAMPERED,
}
concluded = st.builds(
    lambda lost, detail, ok, is_control: result_line(
        VERDICTS[lost], lost, detail=detail, ok=ok, is_control=is_control
    ),
    st.sampled_from(sorted(VERDICTS, key=sorted)),
    st.sampled_from(("", "EPERM")),
    st.booleans(),
    st.booleans(),
)
inconclusive = st.builds(
    lambda verdict: result_line(verdict, detail="why", ok=False),
    st.sampled_from((Verdict.ERROR, Verdict.NOT_APPLICABLE)),
)
lines = concluded | inconclusive
MIRRORED = {
    Change.WORSE: Change.BETTER,
    Change.ERROR_NOW: Change.ERROR_BEFORE,
    Change.NOT_APPLICABLE_NOW: Change.NOT_APPLICABLE_BEFORE,
    Change.GONE: Change.NEW,
}
MIRRORED |= {other: one for one, other in MIRRORED.items()}
names = st.sampled_from([cell("isolated", name) for name in ("a", "b", "c")])
runs = st.dictionaries(names, lines).map(lambda cells: RecordedRun("run", HEADER, cells))


@given(runs, runs)
def test_swapped_runs_swap_better_and_worse(old: RecordedRun, new: RecordedRun) -> None:
    there = {one.cell: one for one in compare(old, new).cells}
    back = {one.cell: one for one in compare(new, old).cells}
    assert there.keys() == back.keys() == old.cells.keys() | new.cells.keys()
    for name, one in there.items():
        assert (one.worse, one.better) == (back[name].better, back[name].worse)
        if one.worse and one.better:
            assert one.change is back[name].change is Change.WORSE
        else:
            assert back[name].change is MIRRORED.get(one.change, one.change)


@given(lines, lines)
def test_better_is_never_more_lost_nor_without_a_conclusion(
    old: ResultLine, new: ResultLine
) -> None:
    change, worse, _ = change_between(old, new)
    if change is Change.BETTER:
        assert new.lost < old.lost
    if change is Change.WORSE:
        assert new.lost - old.lost == set(worse)
    if old.is_inconclusive or new.is_inconclusive:
        assert change not in (Change.BETTER, Change.WORSE, Change.SAME, Change.DETAIL)


@given(lines)
def test_nothing_is_worse_than_itself(line: ResultLine) -> None:
    assert change_between(line, line)[0] in (Change.SAME, Change.STILL_ERROR)


def test_every_change_but_those_of_no_account_can_fail() -> None:
    assert set(FAILURES["changed"]) == set(Change) - {Change.SAME, Change.DETAIL}
    assert FAILURES["never"] == ()
    assert ORDER == ("integrity", "availability", "confidentiality", "a step")
