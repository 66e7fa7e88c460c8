# SPDX-License-Identifier: GPL-2.0-only
"""The repetitions of a study side by side: which cells had another verdict, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kept_runs import keep_run
from outcomes import ISOLATED
from scripted_lab import outcome

from harness.model.verdict import Verdict
from harness.results.repetition import full_name, unsteady
from harness.results.salvaged_run import salvage

if TYPE_CHECKING:
    from pathlib import Path

    from harness.results.recorded_run import RecordedRun

LOST = {"isolated__proc_mem_write": outcome(Verdict.TAMPERED)}


def kept(root: Path, name: str) -> RecordedRun:
    return salvage(name, root=root).run


def test_only_the_cells_with_several_verdicts_are_unsteady(tmp_path: Path) -> None:
    study = tmp_path / "study"
    for number in ("001", "002", "003"):
        keep_run(study, number, script=LOST if number == "002" else None)
    (study / "004").mkdir()
    run = kept(study, "003")
    assert unsteady(run) == {ISOLATED: "2 x held, 1 x tampered"}
    assert full_name(run) == "study/003"


def test_a_run_that_is_no_repetition_is_compared_with_none(tmp_path: Path) -> None:
    keep_run(tmp_path, "one", script=LOST)
    keep_run(tmp_path, "002")
    assert unsteady(kept(tmp_path, "one")) == {}
    assert full_name(kept(tmp_path, "one")) == "one"
