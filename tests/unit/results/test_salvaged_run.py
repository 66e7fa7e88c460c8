# SPDX-License-Identifier: GPL-2.0-only
"""A damaged run is read as far as it goes, and what is missing is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from kept_runs import keep_run
from outcomes import ISOLATED

from harness.host.errors import UserError
from harness.model.verdict import Verdict
from harness.results.recorded_run import read_run
from harness.results.salvaged_run import salvage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return keep_run(tmp_path, "one")


def edited(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit each JSON object of a file, which has one in each line or is one."""
    text = path.read_text()
    objects = [text] if path.name == "run.json" else text.splitlines()
    lines = []
    for one in map(json.loads, objects):
        edit(one)
        lines.append(json.dumps(one) + "\n")
    path.write_text("".join(lines))


def gaps(kept: Path) -> str:
    return "\n".join(salvage("one", root=kept.parent).gaps)


def test_a_whole_run_has_no_gap_and_is_read_as_ever(kept: Path) -> None:
    found = salvage("one", root=kept.parent)
    assert found.gaps == ()
    assert found.run == read_run("one", root=kept.parent)


def test_half_a_line(kept: Path) -> None:
    results = kept / "results.jsonl"
    results.write_text(results.read_text()[:-40])
    count = len(results.read_text().splitlines())
    assert gaps(kept) == f"lines of results.jsonl that cannot be read: {count}"
    assert len(salvage("one", root=kept.parent).run.cells) == count - 1


def test_a_line_that_contradicts_itself_is_left_out(kept: Path) -> None:
    edited(kept / "results.jsonl", lambda one: one.update(verdict="leaked", axes=None))
    with pytest.raises(UserError, match=r"no result of the run one can be read: .* 1, 2, 3, "):
        salvage("one", root=kept.parent)


def test_another_schema(kept: Path) -> None:
    def older(one: dict[str, Any]) -> None:
        one["schema"] = 7
        one["unknown"] = one.pop("known_hole", None)
        del one["axes"]

    edited(kept / "results.jsonl", older)
    edited(kept / "run.json", lambda one: (one.pop("compiler"), one.update(schema=7, later=[])))
    assert "(schema 7, and this version writes 10)" in gaps(kept)
    assert "run.json has no compiler" in gaps(kept)
    assert "fields that lines of results.jsonl lack: axes, known_hole" in gaps(kept)
    run = salvage("one", root=kept.parent).run
    verdicts = {cell: line.verdict for cell, line in run.cells.items()}
    assert verdicts[ISOLATED] is Verdict.HELD
    assert set(verdicts.values()) >= {Verdict.TAMPERED, Verdict.NOT_APPLICABLE}
    assert run.header.line == "6.12"


@pytest.mark.parametrize("name", ["x" * 300, "../" * 9, "\0", "\ud800"])
def test_a_line_of_a_cell_that_can_have_no_folder_is_left_out(kept: Path, name: str) -> None:
    edited(kept / "results.jsonl", lambda one: one.update(scenario=one["scenario"] + name))
    with pytest.raises(UserError, match=r"no result of the run one can be read: .* 1, 2, 3, "):
        salvage("one", root=kept.parent)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "\xff"])
def test_a_damaged_header(kept: Path, text: str) -> None:
    (kept / "run.json").write_text(text, "latin-1")
    assert "run.json cannot be read: " in gaps(kept)


def test_a_damaged_fact(kept: Path) -> None:
    edited(kept / "run.json", lambda one: one.update(seconds="long"))
    assert gaps(kept) == "run.json: seconds is damaged"


def test_cells_that_are_not_there(kept: Path) -> None:
    selected = [f"6.12-isolated-{number}" for number in range(6)]
    header = {"selected": selected, "counts": {"cells": 99, "not_run": 6}, "error": "a full disk"}
    edited(kept / "run.json", lambda one: one.update(header))
    assert gaps(kept).splitlines() == [
        "the run was cut short: a full disk",
        f"chosen cells without a result (6): {', '.join(selected[:5])}, …",
        "run.json counts 99 cells, and results.jsonl has 28",
        "cells that were not run: 6",
    ]


def test_no_results(kept: Path) -> None:
    (kept / "results.jsonl").unlink()
    with pytest.raises(UserError, match=r"results.jsonl cannot be read: No such file"):
        salvage("one", root=kept.parent)
