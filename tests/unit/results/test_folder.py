# SPDX-License-Identifier: GPL-2.0-only
"""Results on a disk that may be full or shared."""

from __future__ import annotations

import json
import resource
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from outcomes import CONTROL, ISOLATED, as_expected, cell
from scripted_lab import SmallLab, outcome
from small_corpus import SMALL

from harness.host.errors import UserError
from harness.judge.cells import all_cells
from harness.judge.conclusion import conclude
from harness.judge.controls import closure
from harness.model.verdict import Verdict
from harness.results.folder import RunDirectory, as_json, from_json
from harness.results.run_name import new_run_name
from harness.run.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.judge.result import Result
    from harness.model.cell import Cell, Outcome


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
    "refusable",
    "gained",
    "tries",
    "rounds",
    "seconds",
    "image",
    "witness",
    "attempt",
    "attempt_end",
    "half",
]


def test_a_line_has_exactly_its_fields() -> None:
    held = replace(
        outcome(Verdict.HELD, "EPERM"),
        hooks=("security_file_open",),
        gained=("an address",),
        tries=(1, 2),
    )
    result = conclude(SMALL, ISOLATED, as_expected(isolated__proc_mem_write=held))
    line = json.loads(json.dumps(as_json(result)))
    assert list(line) == FIELDS
    assert line["schema"] == 7
    assert line["hooks"] == ["security_file_open"]
    assert (line["gained"], line["tries"]) == (["an address"], [1, 2])
    assert line["control"] == {"variant": "baseline", "verdict": "tampered"}
    assert line["axes"] == {"integrity": False, "availability": False, "confidentiality": False}
    assert line["effect"] == "integrity"
    assert line["witness"] == "cells/6.12-isolated-proc_mem_write/witness.json"
    assert from_json(line, SMALL) == result
    lost = conclude(SMALL, ISOLATED, {ISOLATED: outcome(Verdict.HELD)})
    assert set(as_json(lost)["axes"].values()) == {None}
    assert from_json(json.loads(json.dumps(as_json(lost))), SMALL) == lost


def new_run(root: Path) -> RunDirectory:
    run = RunDirectory.create(root, new_run_name())
    run.announce()
    return run


def test_evidence_is_kept_and_comes_back(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    given = replace(
        outcome(Verdict.HELD, "d\udce4"),
        console="\\x1b[31m \udc80",
        gained=("an address",),
        tries=(3, 4),
        rounds=2,
    )
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
    run.append(conclude(SMALL, CONTROL, outcomes))
    lines = run.path / "results.jsonl"
    with lines.open("a") as file:
        file.write('{"schema": 1, "line": "6.')
    assert len(run.lines()) == 1
    assert run.append(conclude(SMALL, ISOLATED, outcomes))
    assert not run.append(conclude(SMALL, ISOLATED, outcomes)), "a cell has one line"
    assert [json.loads(line)["variant"] for line in lines.read_text().splitlines()] == [
        "baseline",
        "isolated",
    ]


def test_once_is_once_among_threads(tmp_path: Path) -> None:
    run, lab = new_run(tmp_path), SmallLab(takes=0.1)
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
    ledger = Ledger(run, SMALL)
    outcomes = {one: as_expected()[one] for one in closure(SMALL, [ISOLATED])}
    last = cell("isolated", "nothing")
    final = fill(ledger, {one: given for one, given in outcomes.items() if one != last})
    assert {result.cell.variant for result in final} == {"baseline"}
    final = ledger.add(last, outcomes[last])
    assert {result.cell.variant for result in final} == {"isolated"}
    assert len(run.lines()) == len(outcomes)
    assert ledger.unsaved == 0


def test_closing_early_keeps_what_was_found_as_errors(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    ledger = Ledger(run, SMALL)
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
    ledger = Ledger(run, SMALL)
    expected = as_expected()
    outcomes = {one: expected[one] for one in closure(SMALL, all_cells(SMALL))}
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
    assert run.header() == {"schema": 7, "started": "now", "finished": "later"}
