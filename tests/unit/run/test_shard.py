# SPDX-License-Identifier: GPL-2.0-only
"""The division of cells among machines."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING

import pytest
from kept_runs import keep_run
from small_corpus import NAMES, SMALL

from harness.host.errors import UserError
from harness.judge.cells import all_cells
from harness.judge.controls import rests_on
from harness.results import cell_seconds
from harness.results.cell_seconds import seconds_of
from harness.results.recorded_run import read_run
from harness.results.run_summary import write_summary
from harness.run.shard import Shard, planned
from harness.scenarios import REFERENCES
from harness.scenarios.corpus import SHIPPED

if TYPE_CHECKING:
    from pathlib import Path

    from harness.model.cell import Cell

SECONDS = {"proc_mem_write": 3.0, "ptrace_seize": 2.0, "dev_mem": 1.0}


def shards(of: int, cells: list[Cell], seconds: dict[str, float] | None = None) -> list[list[Cell]]:
    every = [planned(Shard(n, of), SMALL, cells, seconds or {}) for n in range(1, of + 1)]
    assert len({(one.record.plan, one.record.filled) for one in every}) == 1
    return [one.cells for one in every]


@pytest.mark.parametrize("of", [1, 2, 3, 20])
def test_each_cell_is_in_one_shard_with_its_control(of: int) -> None:
    cells = all_cells(SMALL)
    parts = shards(of, cells)
    assert sorted(chain(*parts), key=cells.index) == cells
    for part in parts:
        assert all(
            other in part or other.scenario in REFERENCES
            for cell in part
            for other in rests_on(SMALL, cell)
        )
    assert sum(bool(part) for part in parts) == min(of, len(NAMES))


def test_the_seconds_of_an_earlier_run_balance_them() -> None:
    cells = [cell for cell in all_cells(SMALL, variants=["baseline"]) if cell.scenario in SECONDS]
    one, two = shards(2, cells, SECONDS)
    assert {cell.scenario for cell in one} == {"proc_mem_write"}
    assert {cell.scenario for cell in two} == {"ptrace_seize", "dev_mem"}


def test_the_plan_tells_another_division() -> None:
    cells = all_cells(SMALL)
    plans = {
        planned(Shard(1, 2), SMALL, cells, {}).record.plan,
        planned(
            Shard(1, 2), SMALL, cells, {"dev_mem": 9.0, "nothing": 1.0, "host_tamper": 1.0}
        ).record.plan,
        planned(Shard(1, 2), SMALL, cells[:-1], {}).record.plan,
        planned(Shard(1, 3), SMALL, cells, {}).record.plan,
    }
    assert len(plans) == 4
    assert planned(Shard(2, 2), SMALL, cells[::-1], {}).record.plan in plans


def test_the_whole_corpus_is_divided_well_by_the_kept_figures() -> None:
    seconds = seconds_of(None, root=cell_seconds.SUMMARIES)
    assert seconds, "docs/runs has a summary with the seconds of cells"
    cells = all_cells(SHIPPED)
    parts = [planned(Shard(n, 4), SHIPPED, cells, seconds).cells for n in (1, 2, 3, 4)]
    loads = [sum(seconds.get(cell.scenario, 1.0) for cell in part) for part in parts]
    assert max(loads) < 1.05 * min(loads)


def test_figures_come_from_a_run_a_summary_or_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = keep_run(tmp_path, "20260101T000000Z-000000")
    monkeypatch.setattr(cell_seconds, "SUMMARIES", tmp_path / "none")
    assert seconds_of(None, root=tmp_path) == {}
    expected = dict.fromkeys(sorted(NAMES), 0.25)
    assert seconds_of(run.name, root=tmp_path) == expected
    file = write_summary(tmp_path, read_run(run.name, root=tmp_path))
    assert seconds_of(str(file), root=tmp_path) == expected
    monkeypatch.setattr(cell_seconds, "SUMMARIES", tmp_path)
    assert seconds_of(None, root=tmp_path) == expected
    old = {name: value for name, value in json.loads(file.read_text()).items() if name != "seconds"}
    file.write_text(json.dumps(old))
    with pytest.raises(UserError, match="does not say how long its cells took; name another run"):
        seconds_of(str(file), root=tmp_path)
