# SPDX-License-Identifier: GPL-2.0-only
"""A run as KCIDB JSON, validated by the library of KernelCI."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kcidb_io.schema import V5_3
from kept_runs import keep_run
from outcomes import CONTROL, ISOLATED
from scripted_lab import outcome
from small_corpus import CELLS, HOLES, NOT_APPLICABLE

from harness.cli.main import main
from harness.model.cell import Cell
from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from harness.model.cell import Outcome

HOSTILE = "\x00\x1b[2J\ud800"
SCRIPT = {
    "isolated__proc_mem_write": outcome(Verdict.TAMPERED, HOSTILE),
    "isolated__ptrace_seize": outcome(Verdict.ERROR, HOSTILE),
}
NOT_RUN = Cell("6.12", "kthread", "dev_mem")
HEADER = {
    "selected": [ISOLATED.id, NOT_RUN.id],
    "stopped_by": "SIGINT",
    "arguments": ["run", "--tree", "/home/me/linux"],
    "flavours": {"debug": {"image": "0123abcd", "config": "45", "guest_image": "67"}},
}


def report(
    root: Path, capsys: pytest.CaptureFixture[str], *words: str, script: dict[str, Outcome]
) -> dict[str, Any]:
    """The report of a kept run, valid by itself and with all that its objects refer to."""
    keep_run(root, "one", script=script, without=[NOT_RUN], header=HEADER)
    assert main(["convert", "one", "--results", str(root), "--format", "kcidb", *words]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    V5_3.validate_exactly(found)
    for kind in ("checkouts", "builds", "tests"):
        ids = [one["id"] for one in found[kind]]
        assert len(ids) == len(set(ids))
    assert {one["checkout_id"] for one in found["builds"]} == {found["checkouts"][0]["id"]}
    assert {one["build_id"] for one in found["tests"]} <= {one["id"] for one in found["builds"]}
    return found


def test_each_cell_is_a_test_with_its_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = report(tmp_path, capsys, script=SCRIPT)
    assert found["version"] == {"major": 5, "minor": 3}
    tests = {one["id"].removeprefix("umd_harness:one:"): one for one in found["tests"]}
    assert len(tests) == CELLS
    status = {name: one["status"] for name, one in tests.items()}
    assert status.pop(ISOLATED.id) == "FAIL"
    assert status.pop("6.12-isolated-ptrace_seize") == "ERROR"
    assert status.pop(NOT_RUN.id) == "MISS"
    assert [name for name, one in status.items() if one == "SKIP"] == list(NOT_APPLICABLE)
    assert {one for name, one in status.items() if name not in NOT_APPLICABLE} == {"PASS"}
    lost, control, hole = (tests[name] for name in (ISOLATED.id, CONTROL.id, HOLES[0]))
    assert lost["misc"]["detail"] == "\\x00\\x1b[2J\\ud800"
    assert lost["comment"] == "tampered, expected held: \\x00\\x1b[2J\\ud800"
    assert lost["path"] == "umd_harness.isolated.proc_mem_write"
    assert (control["status"], control["misc"]["verdict"]) == ("PASS", "tampered")
    assert "known_hole" in hole["misc"]
    assert "known_hole" not in control["misc"]


def test_an_image_is_a_build_by_its_flavour(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = report(tmp_path, capsys, "--origin", "my_ci", script={})
    builds = {one["id"]: one["config_name"] for one in found["builds"]}
    assert builds == {"my_ci:0123456789abcdef": "default", "my_ci:0123abcd": "debug"}
    assert {one["origin"] for one in found["tests"]} == {"my_ci"}


def test_no_path_of_the_user_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "/home/me" not in json.dumps(report(tmp_path, capsys, script={}))
