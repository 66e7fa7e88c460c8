# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own parser reads what a run prints as KTAP: no cell is lost, none gets better."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from command_line import umd_harness
from kept_runs import keep_run
from outcomes import ISOLATED
from scripted_lab import outcome
from small_corpus import CELLS, NOT_APPLICABLE

from harness.host.paths import cache_dir
from harness.kernel.series.lines import DEFAULT_LINE
from harness.kernel.source.tarball import find_source, partial_tree
from harness.model.cell import Cell
from harness.model.verdict import Verdict
from harness.report.ktap import ktap
from harness.results.recorded_run import read_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTILE = (
    "x # SKIP\nok 9 y # SKIP List of all partitions: reboot: System halted\n1..0\nKTAP version 1"
)
"""A guest's text that would skip a test, add a test, and end the parser's reading."""
LOST = outcome(Verdict.TAMPERED, HOSTILE)
BROKEN = outcome(Verdict.ERROR, HOSTILE)
NOT_RUN = Cell("6.12", "kthread", "dev_mem")
STOPPED = {"stopped_by": "SIGINT", "selected": [NOT_RUN.id, ISOLATED.id]}


@pytest.fixture(scope="module")
def kunit() -> Path:
    """The kernel's kunit.py, with its parser beside it."""
    built = cache_dir() / f"build/{DEFAULT_LINE}/source"
    parser = "tools/testing/kunit/kunit.py"
    if not (built / parser).is_file():
        source = find_source(DEFAULT_LINE, cache=cache_dir())
        built = partial_tree(source, ("tools/testing/kunit/*",), cache=cache_dir())
    return built / parser


def parsed(kunit: Path, text: str, where: Path) -> tuple[dict[str, str], str]:
    """Return the status of each test by its path, and what kunit.py prints."""
    (where / "ktap").write_text(text)
    done = subprocess.run(
        [sys.executable, str(kunit), "parse", f"--json={where / 'json'}", str(where / "ktap")],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return dict(_cases(json.loads((where / "json").read_text()))), done.stdout


def _cases(group: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for case in group["test_cases"]:
        yield f"{path}{case['name']}", case["status"]
    for inner in group["sub_groups"]:
        yield from _cases(inner, f"{path}{inner['name']}-")


def test_every_cell_of_a_run_has_its_status(tmp_path: Path, kunit: Path) -> None:
    script = (
        "{('isolated', 'proc_mem_write'): outcome(Verdict.TAMPERED, '17 wrong replies'),"
        " ('isolated', 'ptrace_seize'): outcome(Verdict.ERROR, 'no answer')}"
    )
    done = umd_harness(tmp_path, "run", "--format", "ktap", script=script)
    assert done.returncode == 2
    found, said = parsed(kunit, done.stdout, tmp_path)
    lines = (tmp_path / "results/latest/results.jsonl").read_text().splitlines()
    cells = [f"{one['line']}-{one['variant']}-{one['scenario']}" for one in map(json.loads, lines)]
    lost = {ISOLATED.id, "6.12-isolated-ptrace_seize"}
    due = dict.fromkeys(cells, "PASS") | dict.fromkeys(NOT_APPLICABLE, "SKIP")
    assert found == due | dict.fromkeys(lost, "FAIL")
    assert f"Ran {CELLS} tests: passed: {CELLS - 3}, failed: 2, skipped: 1\n" in said
    assert "# tampered, expected held: 17 wrong replies\n" in said
    assert "ERROR]" not in said


def test_a_guests_text_is_no_ktap(tmp_path: Path, kunit: Path) -> None:
    script = {"isolated__proc_mem_write": LOST, "isolated__dev_mem": BROKEN}
    keep_run(tmp_path, "one", script=script, without=[NOT_RUN], header=STOPPED)
    run = read_run("one", root=tmp_path)
    found, said = parsed(
        kunit, ktap(run.cells.values(), not_run=run.not_run, where="one"), tmp_path
    )
    failed = {ISOLATED.id, "6.12-isolated-dev_mem", NOT_RUN.id}
    assert {name for name, status in found.items() if status == "FAIL"} == failed
    assert len(found) == CELLS
    assert f"Ran {CELLS} tests: passed: {CELLS - 4}, failed: 3, skipped: 1\n" in said
    assert "ERROR]" not in said
