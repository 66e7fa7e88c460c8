# SPDX-License-Identifier: GPL-2.0-only
"""Cells that are run again and again: one other verdict among many is seen."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import pytest
from scripted_lab import ScriptedLab, expected_outcome, outcome

from harness.host.errors import UserError
from harness.model.cell import Cell, Outcome
from harness.model.verdict import Verdict
from harness.report.text import rerun_line
from harness.results.kept_cell import kept_cell
from harness.results.recorded_run import read_run
from harness.results.run_comparison import Change, compare
from harness.scenarios.corpus import SHIPPED
from harness.studies.repeat import RepeatedVerdicts, repeat
from harness.studies.repetitions import Repetitions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.run.cell_runner import CellRunner

CELLS = [Cell("6.12", "isolated", name) for name in ("proc_mem_write", "ptrace_seize")]


@dataclass
class Fickle:
    """Gives another outcome for one cell at the seventh time."""

    other: Outcome | Exception
    usual: Outcome = field(default_factory=partial(outcome, Verdict.HELD))
    _times: int = 0
    _lock: Lock = field(default_factory=Lock)

    def run(self, cell: Cell, *, fresh: bool = False) -> Outcome:
        if cell not in CELLS:
            return expected_outcome(SHIPPED, cell)
        if cell != CELLS[1]:
            return replace(self.usual, seconds=float(fresh))
        with self._lock:
            self._times += 1
            if self._times != 7:
                return self.usual
        if isinstance(self.other, Exception):
            raise self.other
        return self.other


def repetitions(root: Path, cells: Sequence[Cell], *, times: int) -> Repetitions:
    rerun = partial(rerun_line, corpus=SHIPPED)
    return Repetitions(root, SHIPPED, cells, times=times, header={"line": "6.12"}, rerun=rerun)


def repeated(
    lab: CellRunner, root: Path, *, times: int, jobs: int, cells: Sequence[Cell] = CELLS
) -> list[RepeatedVerdicts]:
    """Repeat the cells, keep the repetitions in `root`, and return the counts."""
    counts = {cell: RepeatedVerdicts(cell) for cell in cells}
    kept = repetitions(root, cells, times=times)
    try:
        repeat(
            lab,
            counts,
            corpus=SHIPPED,
            times=times,
            jobs=jobs,
            progress=lambda _: None,
            kept=kept,
        )
    finally:
        kept.close()
    kept.check()
    return list(counts.values())


def evidence(root: Path, number: str) -> set[str]:
    return {path.name for path in (root / number / "cells").iterdir()}


def test_each_cell_is_run_as_often_as_asked(tmp_path: Path) -> None:
    lab = ScriptedLab()
    counts = repeated(lab, tmp_path, times=9, jobs=3)
    assert [str(count) for count in counts] == [f"{cell.id}: 9 x held" for cell in CELLS]
    assert sum(cell in CELLS for cell in lab.ran) == 18
    around = [cell for cell in lab.ran if cell not in CELLS]
    assert len(around) == len(set(around)) == 6, "controls and references, once each"
    assert all(count.steady for count in counts)


@pytest.mark.parametrize("other", [Verdict.TAMPERED, Verdict.ERROR])
def test_one_other_verdict_is_seen(other: Verdict, tmp_path: Path) -> None:
    steady, fickle = repeated(Fickle(outcome(other, "for once")), tmp_path, times=8, jobs=2)
    assert steady.steady
    assert not fickle.steady
    assert str(fickle) == f"{CELLS[1].id}: NOT STEADY: 7 x held (), 1 x {other} (for once)"


def test_an_attack_that_was_half_done_for_once_is_seen(tmp_path: Path) -> None:
    whole, half = outcome(Verdict.TAMPERED), replace(outcome(Verdict.TAMPERED), carried_out=False)
    _, fickle = repeated(Fickle(half, usual=whole), tmp_path, times=8, jobs=2)
    assert not fickle.steady
    assert str(fickle) == f"{CELLS[1].id}: NOT STEADY: 8 x tampered (), 1 x a partial attack"


def test_errors_every_time_are_not_steady(tmp_path: Path) -> None:
    lab = ScriptedLab(
        {("isolated", name): outcome(Verdict.ERROR) for name in ("proc_mem_write", "ptrace_seize")}
    )
    assert not any(count.steady for count in repeated(lab, tmp_path, times=2, jobs=1))


def test_what_stops_every_cell_stops_it(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        repeated(Fickle(UserError("no QEMU", hint="install it")), tmp_path, times=8, jobs=2)


def test_each_repetition_is_a_run_that_can_be_read(tmp_path: Path) -> None:
    lab = ScriptedLab({("isolated", "ptrace_seize"): outcome(Verdict.HELD, "so")})
    repeated(lab, tmp_path, times=3, jobs=2)
    assert {path.name for path in tmp_path.iterdir()} == {"001", "002", "003", "latest"}
    runs = [read_run(name, root=tmp_path) for name in ("001", "002", "003", "latest")]
    for run in runs:
        assert len(run.cells) == 8
        assert all(line.ok for line in run.cells.values()), "judged with control and references"
        assert (run.trouble, run.header.line, run.header.exit_status) == ("", "6.12", 0)
        assert run.header.selected == tuple(cell.id for cell in CELLS)
        assert {path.name for path in run.path.iterdir()} == {
            *("cells", "results.jsonl", "run.json", "junit.xml", "matrix.txt", "report.html")
        }
        assert "isolated" in (run.path / "matrix.txt").read_text()
    assert compare(runs[0], runs[2]).counts()[Change.SAME] == 8


def test_evidence_is_kept_at_first_and_where_the_conclusion_differs(tmp_path: Path) -> None:
    repeated(Fickle(outcome(Verdict.TAMPERED)), tmp_path, times=8, jobs=1)
    assert evidence(tmp_path, "001") >= {cell.id for cell in CELLS}
    assert evidence(tmp_path, "006") == set()
    assert evidence(tmp_path, "007") == {CELLS[1].id}
    kept = kept_cell(read_run("007", root=tmp_path), CELLS[1].id)
    assert kept.outcome is not None
    assert kept.line.verdict is Verdict.TAMPERED


def test_what_an_interrupted_study_has_stays(tmp_path: Path) -> None:
    counts = {cell: RepeatedVerdicts(cell) for cell in CELLS}
    kept = repetitions(tmp_path, CELLS, times=8)

    def stop(said: str) -> None:
        if said.startswith("repeat: 5 of 16"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repeat(ScriptedLab(), counts, corpus=SHIPPED, times=8, jobs=1, progress=stop, kept=kept)
    kept.close()
    assert [count.verdicts.total() for count in counts.values()] == [3, 2]
    assert read_run("002", root=tmp_path).trouble == ""
    third = read_run("003", root=tmp_path)
    assert third.trouble == "it has not ended"
    assert CELLS[0] in third.cells
    assert CELLS[1] not in third.cells


def test_results_that_are_removed_end_the_study(tmp_path: Path) -> None:
    kept = repetitions(tmp_path, CELLS, times=2)
    kept.add(CELLS[0], outcome(Verdict.HELD))
    shutil.rmtree(tmp_path / "001")
    with pytest.raises(UserError, match="001 was removed or cut short during the run"):
        kept.add(CELLS[1], outcome(Verdict.HELD))
