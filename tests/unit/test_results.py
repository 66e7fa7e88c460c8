# SPDX-License-Identifier: GPL-2.0-only
"""From outcomes to results, and results on a disk that may be full or shared."""

from __future__ import annotations

import json
import resource
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from corpora import small  # noqa: F401 - a fixture
from scripted_lab import ScriptedLab, outcome
from small_corpus import HOLES

from harness.cell import Cell, Outcome
from harness.conclusion import Result, conclude, is_final
from harness.errors import UserError
from harness.ledger import Ledger, counts, exit_status
from harness.matrix import all_cells, closure
from harness.results import RunDirectory, as_json, from_json
from harness.run_name import new_run_name
from harness.witness.verdict import Axes, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("small")

FIELDS = [
    "schema",
    "line",
    "variant",
    "scenario",
    "effect",
    "surface",
    "answers",
    "control",
    "verdict",
    "axes",
    "detail",
    "expected",
    "ok",
    "hooks",
    "seconds",
    "image",
    "witness",
    "attempt",
    "attempt_end",
]


def cell(variant: str, name: str) -> Cell:
    return Cell("6.12", variant, name)


ISOLATED = cell("isolated", "proc_mem_write")
CONTROL = cell("baseline", "proc_mem_write")


def as_expected(**script: Outcome) -> dict[Cell, Outcome]:
    """Every cell's outcome as expected, but for those named `variant__scenario`."""
    lab = ScriptedLab()
    outcomes = {one: lab.run(one) for one in all_cells()}
    for name, given in script.items():
        variant, _, scenario = name.partition("__")
        outcomes[cell(variant, scenario)] = given
    return outcomes


def test_as_expected_is_ok_everywhere() -> None:
    outcomes = as_expected()
    results = [conclude(one, outcomes) for one in all_cells()]
    assert all(result.ok for result in results)
    assert exit_status(results) == 0
    assert counts(results) == {
        "cells": 28,
        "expected": 28,
        "unexpected": 0,
        "errors": 0,
        "known_holes": 2,
    }
    assert tuple(result.cell.id for result in results if result.hole) == HOLES


def test_a_cell_that_lost_is_unexpected() -> None:
    result = conclude(
        ISOLATED, as_expected(isolated__proc_mem_write=outcome(Verdict.TAMPERED, "chain"))
    )
    assert (result.verdict, result.ok, result.detail) == (Verdict.TAMPERED, False, "chain")
    assert exit_status([result]) == 1


@pytest.mark.parametrize("won", [Verdict.HELD, Verdict.DISRUPTED, Verdict.ERROR])
def test_a_control_that_did_not_win_with_its_verdict_makes_an_error(won: Verdict) -> None:
    outcomes = as_expected(baseline__proc_mem_write=outcome(won, "why not"))
    result = conclude(ISOLATED, outcomes)
    assert result.verdict is Verdict.ERROR
    assert not result.ok
    assert f"control baseline did not win: {won}, not tampered: why not" in result.detail
    assert "this cell gave held" in result.detail
    assert (result.control, result.control_verdict) == ("baseline", won)
    assert conclude(cell("kthread", "ptrace_seize"), outcomes).ok, "another scenario is untouched"


def test_the_control_itself_is_reported_as_it_came_out() -> None:
    outcomes = as_expected(baseline__proc_mem_write=outcome(Verdict.HELD))
    result = conclude(CONTROL, outcomes)
    assert (result.verdict, result.ok) == (Verdict.HELD, False)


@pytest.mark.parametrize(
    ("reference", "gave"),
    [("nothing", Verdict.DISRUPTED), ("host_tamper", Verdict.HELD), ("nothing", Verdict.ERROR)],
)
def test_a_wrong_reference_makes_its_variant_errors(reference: str, gave: Verdict) -> None:
    outcomes = as_expected(**{f"isolated__{reference}": outcome(gave, "odd")})
    for one in all_cells():
        result = conclude(one, outcomes)
        assert (result.verdict is Verdict.ERROR) == (one.variant == "isolated")
        if one.variant == "isolated" and one.scenario != reference:
            assert f"reference {reference} of isolated gave {gave}" in result.detail


def test_a_wrong_reference_of_the_control_spoils_what_rests_on_it() -> None:
    outcomes = as_expected(baseline__nothing=outcome(Verdict.DISRUPTED, "died"))
    result = conclude(cell("kthread", "ptrace_seize"), outcomes)
    assert result.verdict is Verdict.ERROR
    assert "reference nothing of baseline gave disrupted, not held: died" in result.detail


@pytest.mark.parametrize(
    "missing", [CONTROL, cell("isolated", "nothing"), cell("baseline", "host_tamper")]
)
def test_nothing_is_final_or_held_without_what_it_rests_on(missing: Cell) -> None:
    outcomes = as_expected()
    assert is_final(ISOLATED, outcomes)
    del outcomes[missing]
    assert not is_final(ISOLATED, outcomes)
    result = conclude(ISOLATED, outcomes)
    assert result.verdict is Verdict.ERROR
    assert f"{missing.id} was not run" in result.detail


@pytest.mark.parametrize(
    ("doubtful", "why"),
    [
        (outcome(Verdict.NOT_APPLICABLE, " "), "n/a without a reason"),
        (replace(outcome(Verdict.HELD), axes=Axes(integrity=True)), "its axes say tampered"),
        (replace(outcome(Verdict.TAMPERED), axes=Axes()), "its axes say held"),
        (replace(outcome(Verdict.HELD), witness={}), "without a witness"),
        (outcome(Verdict.ERROR), "an error without a word"),
    ],
)
def test_an_outcome_that_contradicts_itself_is_an_error(doubtful: Outcome, why: str) -> None:
    result = conclude(ISOLATED, as_expected(isolated__proc_mem_write=doubtful))
    assert result.verdict is Verdict.ERROR
    assert result.axes is None
    assert why in result.detail


def test_not_applicable_stands_with_its_reason_but_was_not_expected() -> None:
    given = outcome(Verdict.NOT_APPLICABLE, "no io_uring on this line")
    for result in (
        conclude(ISOLATED, as_expected(isolated__proc_mem_write=given)),
        conclude(
            ISOLATED,
            as_expected(isolated__proc_mem_write=given, baseline__proc_mem_write=given),
        ),
    ):
        assert (result.verdict, result.ok, result.axes) == (Verdict.NOT_APPLICABLE, False, None)
        assert exit_status([result]) == 1


def test_an_n_a_that_was_declared_is_as_expected() -> None:
    result = conclude(cell("kthread", "escape_openat"), as_expected())
    assert (result.verdict, result.ok, result.axes) == (Verdict.NOT_APPLICABLE, True, None)
    assert exit_status([result]) == 0


def test_a_hole_that_holds_now_is_not_ok() -> None:
    outcomes = as_expected(isolated__dev_mem=outcome(Verdict.HELD))
    result = conclude(cell("isolated", "dev_mem"), outcomes)
    assert (result.verdict, result.ok) == (Verdict.HELD, False)
    assert counts([result])["known_holes"] == 0


def test_errors_beat_the_unexpected_and_no_result_is_an_error() -> None:
    outcomes = as_expected(
        isolated__proc_mem_write=outcome(Verdict.TAMPERED),
        isolated__ptrace_seize=outcome(Verdict.ERROR, "lost"),
    )
    results = [conclude(one, outcomes) for one in all_cells()]
    assert exit_status(results) == 2
    assert exit_status([]) == 2
    assert counts(results) == {
        "cells": 28,
        "expected": 26,
        "unexpected": 1,
        "errors": 1,
        "known_holes": 2,
    }


def test_a_line_has_exactly_its_fields() -> None:
    held = replace(outcome(Verdict.HELD, "EPERM"), hooks=("security_file_open",))
    result = conclude(ISOLATED, as_expected(isolated__proc_mem_write=held))
    line = json.loads(json.dumps(as_json(result)))
    assert list(line) == FIELDS
    assert line["schema"] == 2
    assert line["hooks"] == ["security_file_open"]
    assert line["control"] == {"variant": "baseline", "verdict": "tampered"}
    assert line["axes"] == {"integrity": False, "availability": False, "confidentiality": False}
    assert line["effect"] == "integrity"
    assert line["witness"] == "cells/6.12-isolated-proc_mem_write/witness.json"
    assert from_json(line) == result
    lost = conclude(ISOLATED, {ISOLATED: outcome(Verdict.HELD)})
    assert set(as_json(lost)["axes"].values()) == {None}
    assert from_json(json.loads(json.dumps(as_json(lost)))) == lost


def new_run(root: Path) -> RunDirectory:
    run = RunDirectory.create(root, new_run_name())
    run.announce()
    return run


def test_evidence_is_kept_and_comes_back(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    given = replace(outcome(Verdict.HELD, "d\udce4"), console="\\x1b[31m \udc80")
    assert run.outcome(ISOLATED) is None
    run.keep(ISOLATED, given)
    kept = run.outcome(ISOLATED)
    assert kept == replace(given, console="\\x1b[31m \\udc80")
    names = {path.name for path in (run.cells / ISOLATED.id).iterdir()}
    assert names == {"attempt.json", "witness.json", "console.txt", "outcome.json"}


def test_latest_points_to_the_newest_run(tmp_path: Path) -> None:
    for _ in range(2):
        run = new_run(tmp_path)
        assert (tmp_path / "latest").resolve() == run.path
    assert sorted(path.name[0] for path in tmp_path.iterdir()) == ["2", "2", "l"]


def test_results_where_nothing_can_be_written_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(UserError, match="results cannot be written"):
        new_run(tmp_path / "results")


def test_a_folder_in_the_place_of_latest_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest/precious").touch()
    with pytest.raises(UserError, match="results cannot be written"):
        new_run(tmp_path)
    assert (tmp_path / "latest/precious").exists()
    assert not list(tmp_path.glob(".latest*"))


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    outcomes = as_expected()
    run.append(conclude(CONTROL, outcomes))
    lines = run.path / "results.jsonl"
    with lines.open("a") as file:
        file.write('{"schema": 1, "line": "6.')
    assert len(run.lines()) == 1
    assert run.append(conclude(ISOLATED, outcomes))
    assert not run.append(conclude(ISOLATED, outcomes)), "a cell has one line"
    assert [json.loads(line)["variant"] for line in lines.read_text().splitlines()] == [
        "baseline",
        "isolated",
    ]


def test_once_is_once_among_threads(tmp_path: Path) -> None:
    run, lab = new_run(tmp_path), ScriptedLab(takes=0.1)
    threads = [threading.Thread(target=run.once, args=(ISOLATED, lab.run)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert lab.ran == [ISOLATED]


def fill(ledger: Ledger, outcomes: dict[Cell, Outcome]) -> list[Result]:
    return [result for one, given in outcomes.items() for result in ledger.add(one, given)]


def test_results_become_final_when_what_they_rest_on_is_known(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    ledger = Ledger(run)
    outcomes = {one: as_expected()[one] for one in closure([ISOLATED])}
    last = cell("isolated", "nothing")
    final = fill(ledger, {one: given for one, given in outcomes.items() if one != last})
    assert {result.cell.variant for result in final} == {"baseline"}
    final = ledger.add(last, outcomes[last])
    assert {result.cell.variant for result in final} == {"isolated"}
    assert len(run.lines()) == len(outcomes)
    assert ledger.unsaved == 0


def test_closing_early_keeps_what_was_found_as_errors(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    ledger = Ledger(run)
    ledger.add(ISOLATED, outcome(Verdict.HELD, "EPERM at openat"))
    (result,) = ledger.close()
    assert result.verdict is Verdict.ERROR
    assert "this cell gave held (EPERM at openat)" in result.detail
    assert [line["verdict"] for line in run.lines()] == ["error"]
    assert run.outcome(ISOLATED) == outcome(Verdict.HELD, "EPERM at openat")


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes: the kernel refuses as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [0, 100, 1500, 4000])
def test_a_full_disk_loses_nothing(tmp_path: Path, size: int) -> None:
    run = new_run(tmp_path)
    ledger = Ledger(run)
    expected = as_expected()
    outcomes = {one: expected[one] for one in closure(all_cells())}
    with full_disk(size):
        results = fill(ledger, outcomes)
    assert len(results) == len(outcomes), "the results are all there to be shown"
    assert ledger.trouble is not None
    assert ledger.unsaved
    before = run.lines()
    assert all(list(line) == FIELDS for line in before), "no torn line"
    ledger.close()
    assert ledger.unsaved == 0, "space came back: all is written after all"
    assert len(run.lines()) == len(outcomes)
    assert not list(run.path.rglob(".*.[0-9]*")), "no scratch file is left"


def test_the_header_is_added_to(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    run.write_header({"started": "now", "finished": None})
    run.write_header({"finished": "later"})
    assert run.header() == {"schema": 2, "started": "now", "finished": "later"}
