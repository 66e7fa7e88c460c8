# SPDX-License-Identifier: GPL-2.0-only
"""`run --since`: what has not changed is taken over from an earlier run, and marked."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from outcomes import CONTROL, ISOLATED
from run_schemas import validate_run
from scripted_lab import outcome
from small_corpus import CELLS, SMALL, changed

from harness.model.verdict import Verdict
from harness.run.code import judging_files

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from command_here import Here

pytest_plugins = ["command_here"]

LOST = {("isolated", "proc_mem_write"): outcome(Verdict.TAMPERED, "chain")}


def latest(here: Here) -> Path:
    return (here.folder / "results/latest").resolve()


def verdicts(here: Here) -> dict[str, Any]:
    _, lines = here.latest()
    return {f"{line['variant']}-{line['scenario']}": line["verdict"] for line in lines}


def test_a_kept_run_is_the_plain_one(here: Here) -> None:
    assert here.run() == 0
    first, plain = latest(here), verdicts(here)
    here.ran()
    assert here.run("--since", "latest") == 0
    assert here.ran() == []
    assert f"kept from {first.name}: {CELLS} cells\n" in here.out
    assert here.out.endswith(f", {CELLS} kept\n")
    header, lines = here.latest()
    assert header["since"] == first.name
    assert {line["kept"] for line in lines} == {first.name}
    assert verdicts(here) == plain
    assert validate_run(latest(here)) == CELLS
    for folder in first.glob("cells/*"):
        names = {path.name for path in (latest(here) / "cells" / folder.name).iterdir()}
        assert names == {path.name for path in folder.iterdir()}
    assert "kept from" in (latest(here) / "matrix.txt").read_text()
    assert first.name in (latest(here) / "report.html").read_text()
    assert here.command("compare", first.name, "latest") == 0
    assert here.out.endswith(f"{CELLS} kept\n")
    assert here.command("convert", "latest") == 0
    assert f"# kept from {first.name}: dev_mem\n" in here.out
    assert here.run("--since", "latest") == 0
    assert {line["kept"] for line in here.latest()[1]} == {first.name}, "where the cell ran"


def test_what_was_not_as_expected_runs_again(here: Here) -> None:
    assert here.run(script=LOST) == 1
    here.ran()
    assert here.run("--since", "latest") == 0
    assert here.ran() == [ISOLATED.id]


def test_a_changed_attack_runs_again(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    here.run()
    here.ran()
    monkeypatch.setattr("harness.scenarios.corpus.SHIPPED", changed(SMALL, "dev_mem", tries=2))
    assert here.run("--since", "latest") == 0
    assert here.ran() == sorted(f"6.12-{variant}-dev_mem" for variant in SMALL.variants)


def test_nothing_is_kept_if_the_judge_has_changed(
    here: Here, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here.run()
    here.ran()
    (tmp_path / "new.py").write_text("")
    new = ("x", tmp_path / "new.py")
    monkeypatch.setattr("harness.run.grounds.judging_files", lambda: [*judging_files(), new])
    assert here.run("--since", "latest") == 0
    assert len(here.ran()) == CELLS


def test_a_cell_without_evidence_runs_again_with_those_that_rest_on_it(here: Here) -> None:
    here.run()
    shutil.rmtree(latest(here) / "cells" / CONTROL.id)
    here.ran()
    assert here.run("--since", "latest") == 0
    assert CONTROL.id in here.ran()


def test_a_share_runs_again_and_must_agree(here: Here) -> None:
    here.run()
    first = latest(here).name
    here.ran()
    assert here.run("--since", first, "--verify-kept", "10%") == 0
    assert len(here.ran()) == 3
    assert "25 cells, and 3 of its cells run again\n" in here.out
    assert here.run("--since", first, "--verify-kept", "100%", script=LOST) == 2
    assert here.error == (
        f"umd-harness: 1 of {CELLS} cells that ran again came out otherwise than in {first}: "
        f"{ISOLATED.id}; run all cells, without --since\n"
    )
    assert json.loads((latest(here) / "run.json").read_text())["exit_status"] == 2
