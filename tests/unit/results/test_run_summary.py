# SPDX-License-Identifier: GPL-2.0-only
"""The summary of a run: reports count it as they count the run itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from kept_runs import keep_run
from msgspec import structs
from scripted_lab import outcome
from small_corpus import SMALL

from harness.cli.main import main
from harness.host.errors import UserError
from harness.model.verdict import Axes, Verdict
from harness.report.held_table import as_json
from harness.results.held_counts import count_by_class
from harness.results.recorded_run import read_run
from harness.results.run_summary import handler_of, read_kept, summary_of, write_summary

if TYPE_CHECKING:
    from pathlib import Path

    from harness.results.recorded_run import RecordedRun

BOTH = outcome(Verdict.TAMPERED, "gone\x1b", axes=Axes(integrity=True, availability=True))
SCRIPT = {
    "isolated__proc_mem_write": BOTH,
    "isolated__ptrace_seize": replace(outcome(Verdict.HELD), gained=("0xffff",)),
    "kthread__dev_mem": outcome(Verdict.ERROR, "no answer"),
}


def both(root: Path) -> tuple[RecordedRun, RecordedRun]:
    """A run, and what is left of it when its summary is read."""
    keep_run(root, "kept", script=SCRIPT)
    run = read_run("kept", root=root)
    return run, read_kept(str(write_summary(root, run)), SMALL, root=root)


def test_it_counts_as_the_run_does(tmp_path: Path) -> None:
    run, summary = both(tmp_path)
    assert as_json(count_by_class(summary, SMALL)) == as_json(count_by_class(run, SMALL))
    for cell, line in run.cells.items():
        kept = summary.cells[cell]
        assert kept.lost == line.lost
        assert (kept.verdict, kept.ok, bool(kept.known_hole)) == (
            line.verdict,
            line.ok,
            line.known_hole is not None and line.ok,
        )
        assert kept.control.variant == line.control.variant
        assert kept.is_inconclusive == line.is_inconclusive
    assert summary_of(summary) == summary_of(run)


def test_runs_of_different_handlers_are_not_counted_together(tmp_path: Path) -> None:
    run, summary = both(tmp_path)
    assert handler_of([run, summary]) == "hash"
    other = replace(run, header=structs.replace(run.header, handler="x509"))
    assert handler_of([other]) == summary_of(other).handler == "x509"
    with pytest.raises(UserError, match="different handlers: hash, x509"):
        handler_of([run, other])


def test_nothing_of_a_guest_is_kept(tmp_path: Path) -> None:
    both(tmp_path)
    text = (tmp_path / "kept.json").read_text()
    assert "gone" not in text
    assert "0xffff" not in text
    assert '"isolated": "integrity availability unexpected"' in text


def test_a_scenario_that_is_gone_is_left_out(tmp_path: Path) -> None:
    both(tmp_path)
    smaller = replace(
        SMALL, scenarios={n: s for n, s in SMALL.scenarios.items() if n != "ptrace_seize"}
    )
    kept = read_kept(str(tmp_path / "kept.json"), smaller, root=tmp_path)
    assert {cell.scenario for cell in kept.cells} == smaller.scenarios.keys()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"held"', '"hold"', "says 'hold' of"),
        ('"held"', '""', "says nothing of"),
        ('"schema": 1', '"schema": 2', "is not the summary of a run of this version"),
        ('"line"', '"lines"', "is damaged"),
    ],
)
def test_a_damaged_one_is_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    both(tmp_path)
    file = tmp_path / "kept.json"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(UserError, match=said):
        read_kept(str(file), SMALL, root=tmp_path)


def test_the_table_takes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both(tmp_path)
    assert main(["table", str(tmp_path / "kept.json"), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["run"] == "kept"
