# SPDX-License-Identifier: GPL-2.0-only
"""Results on a disk that may be full or shared."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import resource
import shutil
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from outcomes import CONTROL, ISOLATED, as_expected, cell
from scripted_lab import SmallLab, outcome
from small_corpus import SMALL

from harness.host.errors import UserError
from harness.judge.cells import all_cells
from harness.judge.conclusion import conclude
from harness.judge.controls import closure
from harness.model.verdict import A_STEP, Verdict
from harness.report.text import summary_line
from harness.results.counts import counts, exit_status
from harness.results.records import json_line
from harness.results.result_line import line_of
from harness.results.results_file import ResultsFile
from harness.results.run_directory import RunDirectory
from harness.results.run_header import RunHeader
from harness.results.run_name import new_run_name
from harness.run.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    "known_hole",
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
    "kept",
]


def test_a_line_has_exactly_its_fields() -> None:
    held = replace(
        outcome(Verdict.HELD, "EPERM"),
        hooks=("security_file_open",),
        gained=("an address",),
        tries=(1, 2),
    )
    result = conclude(SMALL, ISOLATED, as_expected(isolated__proc_mem_write=held))
    line = json.loads(json_line(line_of(result)))
    assert list(line) == FIELDS
    assert line["schema"] == 10
    assert line["hooks"] == ["security_file_open"]
    assert (line["gained"], line["tries"]) == (["an address"], [1, 2])
    assert line["control"] == {"variant": "baseline", "verdict": "tampered"}
    assert line["axes"] == {"integrity": False, "availability": False, "confidentiality": False}
    assert line["effect"] == "integrity"
    assert line["witness"] == "cells/6.12-isolated-proc_mem_write/witness.json"
    assert (line["ok"], line["expected"], line["known_hole"]) == (True, "held", None)
    assert line_of(result).lost == {A_STEP}
    lost = conclude(SMALL, ISOLATED, {ISOLATED: outcome(Verdict.HELD)})
    assert line_of(lost).axes is None
    hole = cell("isolated", "dev_mem")
    known = line_of(conclude(SMALL, hole, as_expected()))
    assert known.known_hole == SMALL.scenarios["dev_mem"].holes["isolated"].reason
    assert known.ok
    assert known.lost == {"integrity"}


def test_lines_come_back_without_the_corpus_that_they_are_of(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    outcomes = as_expected(isolated__proc_mem_write=outcome(Verdict.LEAKED, "d\udce4"))
    results = [conclude(SMALL, one, outcomes) for one in closure(SMALL, all_cells(SMALL))]
    assert all(run.append(result) for result in results)
    lines = [line_of(result) for result in results]
    assert lines[0].cell == results[0].cell
    counted, status = counts(lines), exit_status(lines)
    assert (counted["unexpected"], counted["known_holes"], status) == (1, 2, 1)
    back = RunDirectory(run.path).lines()
    assert back == lines
    assert (counts(back), exit_status(back)) == (counted, status)
    assert summary_line(back) == ("28 cells: 27 as expected, 1 unexpected, 0 errors, 2 known holes")


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


def test_evidence_does_not_bring_a_run_back_that_was_removed(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    shutil.rmtree(run.path)
    with pytest.raises(FileNotFoundError):
        run.keep(ISOLATED, outcome(Verdict.HELD))
    assert not run.path.exists()


def test_a_traceback_is_a_file_of_its_own(tmp_path: Path) -> None:
    run, place = new_run(tmp_path), "mine.py:3: in mine\n"
    given = replace(outcome(Verdict.ERROR), traceback=place)
    run.keep(ISOLATED, given)
    assert run.outcome(ISOLATED) == given
    assert (run.folder(ISOLATED) / "traceback.txt").read_text() == place
    assert place not in (run.folder(ISOLATED) / "outcome.json").read_text()
    run.keep(ISOLATED, outcome(Verdict.HELD))
    assert not (run.folder(ISOLATED) / "traceback.txt").exists()


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
        thread.join(timeout=60)
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
    assert [line.verdict for line in run.lines()] == [Verdict.ERROR]
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
    file = run.path / "results.jsonl"
    before = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    assert all(list(line) == FIELDS for line in before), "no torn line"
    assert len(run.lines()) == len(before)
    ledger.close()
    assert ledger.unsaved == 0, "space came back: all is written after all"
    assert len(run.lines()) == len(outcomes)
    assert not list(run.path.rglob(".*.[0-9]*")), "no scratch file is left"


def test_the_header_is_added_to(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    run.write_header({"started": "now", "finished": None})
    run.write_header({"finished": "later"})
    assert run.header() == RunHeader(schema=10, started="now", finished="later")
    kept = json.loads((run.path / "run.json").read_text())
    assert list(kept) == list(RunHeader.__struct_fields__)
    assert (kept["started"], kept["finished"], kept["error"]) == ("now", "later", None)
    with pytest.raises(TypeError):
        run.write_header({"begun": "now"})


def bytes_read() -> int:
    """All bytes that this process has read, by whatever system call."""
    return int(Path("/proc/self/io").read_text().split()[1])


def cost_of(run: RunDirectory, result: Result) -> int:
    """How many bytes an append reads, but for those that the measurement takes."""
    before = bytes_read()
    own = bytes_read() - before
    run.append(result)
    return bytes_read() - before - 2 * own


def test_the_last_append_reads_as_much_as_the_first(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    outcomes = as_expected()
    results = [conclude(SMALL, one, outcomes) for one in closure(SMALL, all_cells(SMALL))]
    costs = [cost_of(run, result) for result in results]
    assert len(run.lines()) == len(results)
    assert max(costs) - min(costs) < 100, "a few digits of the measurement's own"
    again = [cost_of(run, result) for result in results]
    assert max(again) < 100, "what it has written itself is not read again"


def test_a_process_reads_only_the_lines_that_others_have_added(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    workers = [run, RunDirectory(run.path)]
    outcomes = as_expected()
    results = [conclude(SMALL, one, outcomes) for one in closure(SMALL, all_cells(SMALL))]
    longest = max(len(json_line(line_of(result))) for result in results)
    for number, result in enumerate(results):
        mine, other = workers[number % 2], workers[1 - number % 2]
        assert cost_of(mine, result) < 2 * longest
        assert not other.append(result), "the other knows it then"
    assert len(run.lines()) == len(results)


def test_processes_that_append_the_same_cells_write_each_once(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    outcomes = as_expected()
    results = [conclude(SMALL, one, outcomes) for one in closure(SMALL, all_cells(SMALL))]

    def work(first: int) -> None:
        mine = RunDirectory(run.path)
        for _ in range(3):
            for result in results[first:] + results[:first]:
                mine.append(result)

    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=work, args=(7 * number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert Counter(line.cell for line in run.lines()) == Counter(all_cells(SMALL))


def test_a_file_that_another_process_holds_is_waited_for_until_the_deadline(
    tmp_path: Path,
) -> None:
    results = ResultsFile(tmp_path / "results.jsonl", deadline=0.0)
    control, isolated = (conclude(SMALL, one, as_expected()) for one in (CONTROL, ISOLATED))
    results.append(control)
    with results.path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError, match="another process holds the file"):
            results.append(isolated)
    assert results.append(isolated)
    assert results.lines() == [line_of(control), line_of(isolated)]


def test_a_line_goes_to_the_file_that_was_put_in_place_during_the_wait(tmp_path: Path) -> None:
    results = ResultsFile(tmp_path / "results.jsonl")
    control, isolated = (conclude(SMALL, one, as_expected()) for one in (CONTROL, ISOLATED))
    results.append(control)
    with results.path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        waiting = threading.Thread(target=results.append, args=(isolated,))
        waiting.start()
        while not is_open_twice(results.path):
            time.sleep(0.001)
        ResultsFile(results.path).write([line_of(control)])
    waiting.join(timeout=60)
    assert ResultsFile(results.path).lines() == [line_of(control), line_of(isolated)]


def is_open_twice(path: Path) -> bool:
    opened = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            opened.append(descriptor.readlink())
    return opened.count(path) == 2


def test_a_line_torn_by_another_process_is_cut_off_and_its_cell_written(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    outcomes = as_expected()
    control, isolated = conclude(SMALL, CONTROL, outcomes), conclude(SMALL, ISOLATED, outcomes)
    assert run.append(control)
    with (run.path / "results.jsonl").open("a") as file:
        file.write(json_line(line_of(isolated))[:-5])
    assert run.append(isolated)
    assert RunDirectory(run.path).lines() == [line_of(control), line_of(isolated)]


def test_a_damaged_line_is_a_user_error_that_names_it(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    outcomes = as_expected()
    run.append(conclude(SMALL, CONTROL, outcomes))
    with (run.path / "results.jsonl").open("a") as file:
        file.write('{"schema": 9}\n')
    damaged = r"results\.jsonl is damaged in line 2: Object missing .*; run the scenarios again"
    with pytest.raises(UserError, match=damaged):
        run.append(conclude(SMALL, ISOLATED, outcomes))
    with pytest.raises(UserError, match=damaged):
        run.lines()


@pytest.mark.parametrize("name", ["outcome.json", "witness.json", "attempt.json"])
def test_damaged_files_of_a_cell_are_a_user_error_that_names_them(
    tmp_path: Path, name: str
) -> None:
    run = new_run(tmp_path)
    run.keep(ISOLATED, outcome(Verdict.HELD))
    (run.folder(ISOLATED) / name).write_text("7\n")
    with pytest.raises(UserError, match=rf"{name} is damaged: Expected .*; remove .*, and run"):
        run.outcome(ISOLATED)


def test_what_was_removed_of_a_run_is_named_and_nothing_more_is_written(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    outcomes = as_expected()
    assert run.removed() is None
    run.append(conclude(SMALL, CONTROL, outcomes))
    (run.path / "results.jsonl").write_text("")
    assert run.removed() == run.path / "results.jsonl"
    run.append(conclude(SMALL, ISOLATED, outcomes))
    assert run.removed() == run.path / "results.jsonl", "also with a longer file in its place"
    ledger = Ledger(run, SMALL)
    run.path.rename(tmp_path / "moved")
    ledger.add(CONTROL, outcomes[CONTROL])
    assert str(ledger.lost).startswith(f"{run.path} was removed or cut short during the run; ")
    assert ledger.unsaved == 1
    assert not run.path.exists()
    run.path.mkdir()
    assert run.removed() == run.path, "another folder is not the run"
