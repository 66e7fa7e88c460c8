# SPDX-License-Identifier: GPL-2.0-only
"""The files of a run are as their JSON Schemas say, and as the statements of the guide need."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from jsonschema import ValidationError
from kept_runs import keep_run
from run_schemas import validate_run, validator
from scripted_lab import outcome
from small_corpus import CELLS, HOLES
from umd_site.json_schemas import texts

from harness.host.paths import CHECKOUT
from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = {
    "isolated__ptrace_seize": outcome(Verdict.ERROR, "\x1b\ud800"),
    "isolated__proc_mem_write": outcome(Verdict.TAMPERED, "chain"),
}
GUIDE = CHECKOUT / "docs/how-to/query-results.md"


def test_the_kept_schemas_are_those_of_the_declarations() -> None:
    for name, text in texts().items():
        kept = (CHECKOUT / "docs/reference" / name).read_text()
        assert kept == text, "renew: PYTHONPATH=docs/_ext .venv/bin/python -m umd_site.json_schemas"


def test_each_field_of_a_schema_is_described() -> None:
    for text in texts().values():
        for name, part in json.loads(text)["$defs"].items():
            for field, declared in part.get("properties", {}).items():
                assert declared.get("description"), f"{name}.{field}"


def test_a_kept_run_is_valid(tmp_path: Path) -> None:
    assert validate_run(keep_run(tmp_path, "one", script=SCRIPT)) == CELLS


@pytest.mark.parametrize(
    "change",
    [{"verdict": "won"}, {"schema": 9}, {"seconds": "1"}, {"axes": {"integrity": 1}}, {"new": 1}],
)
def test_another_line_is_not_valid(tmp_path: Path, change: dict[str, Any]) -> None:
    run = keep_run(tmp_path, "one")
    line = json.loads((run / "results.jsonl").read_text().splitlines()[0])
    with pytest.raises(ValidationError):
        validator("results.schema.json").validate({**line, **change})
    del line["detail"]
    with pytest.raises(ValidationError):
        validator("results.schema.json").validate(line)


def statements() -> list[str]:
    return re.findall(r"^```sql\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def test_each_statement_of_the_guide_finds_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_run(tmp_path / "results", "20260101T000000Z-000000")
    keep_run(tmp_path / "results", "20260102T000000Z-000000", script=SCRIPT)
    monkeypatch.chdir(tmp_path)
    tampered, counted, worse, asked, runs = (duckdb.execute(one).fetchall() for one in statements())
    holes = [hole for hole in HOLES if "isolated-debug" not in hole]
    assert {row[0] for row in tampered} == {"host_tamper", "proc_mem_write", "dev_mem"}
    assert sum(row[2] is not None for row in tampered) == len(holes)
    assert sum(row[2] for row in counted) == CELLS
    assert ("isolated", "error", 1) in counted
    assert worse == [("proc_mem_write", "chain")]
    assert asked == []
    assert [row[:3] for row in runs] == [
        ("20260101T000000Z-000000", "held", ""),
        ("20260102T000000Z-000000", "tampered", "chain"),
    ]
