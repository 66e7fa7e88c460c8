# SPDX-License-Identifier: GPL-2.0-only
"""The work with the records of a run: in proportion to its cells, counted and not timed."""

from __future__ import annotations

import gc
import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hostile_run import WITNESS
from kept_runs import keep_run
from outcomes import as_expected
from scripted_lab import outcome
from small_corpus import SMALL

from harness.cli.main import main
from harness.host.errors import UserError
from harness.model.cell import Cell
from harness.model.verdict import Verdict
from harness.results.recorded_run import read_run
from harness.studies.growth import growth, work

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from harness.results.recorded_run import RecordedRun

SIZES = (248, 348, 448)
"""Numbers of cells at equal distances, each of so many scenarios that the report is a summary."""

LOST = outcome(Verdict.TAMPERED, "a cell that is not as expected")

WORK = {
    "append",
    "read",
    "merge",
    "merge --move",
    "junit.xml",
    "KTAP",
    "terminal",
    "matrix.txt",
    "report.html",
    "compare",
}


@pytest.fixture
def run(tmp_path: Path) -> RecordedRun:
    script = {
        f"{cell.variant}__{cell.scenario}": replace(given, witness=WITNESS)
        for cell, given in as_expected(isolated__proc_mem_write=LOST).items()
    }
    keep_run(tmp_path / "results", "kept", script=script)
    return read_run("kept", root=tmp_path / "results")


@pytest.fixture(autouse=True)
def _counted_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each comparison of cells call a function: `calls_of` does not see those made in C."""

    def same(one: Cell, other: object) -> bool:
        return isinstance(other, Cell) and one.id == other.id

    monkeypatch.setattr(Cell, "__eq__", same)


def calls_of(do: Callable[[], object]) -> int:
    """How many functions are called: a loop in a loop calls some for each pair of cells."""
    calls = 0

    def count(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        do()
    finally:
        sys.setprofile(None)
    return calls


def bytes_read_by(do: Callable[[], object]) -> int:
    def read() -> int:
        return int(Path("/proc/self/io").read_text().split()[1])

    before = read()
    do()
    return read() - before


def in_proportion(few: int, more: int, most: int) -> bool:
    """Whether the second step costs what the first did. A term in n² of an eighth is too much."""
    return most - more <= 1.05 * (more - few) + 100


def test_each_kind_of_work_is_in_proportion_to_the_cells(run: RecordedRun, tmp_path: Path) -> None:
    calls: dict[str, list[int]] = {name: [] for name in WORK}
    for number, cells in enumerate((SIZES[0], *SIZES)):  # the first time fills caches
        for name, do in work(run, SMALL, cells=cells, folder=tmp_path / str(number)):
            calls[name].append(calls_of(do))
    assert {name for name, counted in calls.items() if in_proportion(*counted[1:])} == WORK


def test_a_loop_in_a_loop_is_out_of_proportion() -> None:
    def pairs(number: int) -> None:
        cells = [Cell("6.12", "isolated", str(one)) for one in range(number)]
        assert all(cells.count(cell) == 1 for cell in cells)

    def each(number: int) -> None:
        cells = [Cell("6.12", "isolated", str(one)) for one in range(number)]
        assert len(dict.fromkeys(cells, cells)) == number

    assert not in_proportion(*(calls_of(partial(pairs, number)) for number in SIZES))
    assert in_proportion(*(calls_of(partial(each, number)) for number in SIZES))


def test_an_append_reads_no_other_line_and_the_rest_reads_each_once(
    run: RecordedRun, tmp_path: Path
) -> None:
    grown = tmp_path / "grown"
    read = {
        name: bytes_read_by(do)
        for name, do in work(run, SMALL, cells=SIZES[0], folder=grown)
        if name != "report.html"  # which reads all evidence
    }
    size = (grown / "whole/results.jsonl").stat().st_size
    assert read["append"] + read["merge"] < 0.1 * size
    assert size <= read["read"] < 1.2 * size
    assert 2 * size <= read["compare"] < 2.4 * size


def collections_during(do: Callable[[], object]) -> int:
    """How often the garbage collector runs, if a few new objects are enough for it."""
    phases: list[str] = []

    def note(phase: str, _info: object) -> None:
        phases.append(phase)

    before = gc.get_threshold()
    gc.callbacks.append(note)
    gc.set_threshold(10)
    try:
        do()
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(note)
    return phases.count("start")


def test_no_garbage_is_collected_during_a_merge(run: RecordedRun, tmp_path: Path) -> None:
    collections = {}
    for name, do in work(run, SMALL, cells=60, folder=tmp_path / "grown"):
        collections[name] = collections_during(do)
        assert gc.isenabled()
    spared = {name for name, number in collections.items() if number <= 1}
    assert spared == {"merge", "merge --move"}


def test_a_collector_that_is_off_stays_off(run: RecordedRun, tmp_path: Path) -> None:
    gc.disable()
    try:
        for _name, do in work(run, SMALL, cells=60, folder=tmp_path / "grown"):
            do()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_each_kind_of_work_is_timed_and_the_time_told(run: RecordedRun, tmp_path: Path) -> None:
    told: list[str] = []
    measured = growth(run, SMALL, cells=60, folder=tmp_path / "grown", progress=told.append)
    assert {one.name for one in measured} == WORK
    assert told[0] == "records: making 60 cells of 28"
    assert told[1:] == [f"records: {one.name} of 60 cells" for one in measured]
    assert "report.html" in str(measured[-2])
    assert str(measured[0]).endswith(" us a cell")


def test_a_run_of_other_attacks_is_refused(run: RecordedRun, tmp_path: Path) -> None:
    scenarios = {name: one for name, one in SMALL.scenarios.items() if name != "dev_mem"}
    lacking = replace(SMALL, scenarios=scenarios)
    with pytest.raises(UserError, match="the run kept has no attack, or one that this version"):
        growth(run, lacking, cells=60, folder=tmp_path / "grown", progress=lambda _: None)


def test_the_figures_are_printed_and_kept(
    run: RecordedRun,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.scenarios.corpus.SHIPPED", SMALL)
    output = tmp_path / "figures.json"
    words = ["bench", "--records", str(run.path), "--enlarged-to", "40", "--output", str(output)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert all(f"\n{name} " in f"\n{printed}" for name in WORK)
    kept = json.loads(output.read_text())
    assert (kept["run"], {one["name"] for one in kept["work"]}) == ("kept", WORK)
    assert {path.name for path in run.path.parent.iterdir()} == {"kept", "latest"}
