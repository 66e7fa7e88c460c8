# SPDX-License-Identifier: GPL-2.0-only
"""A run as KTAP; tests/system/test_ktap.py has the kernel's own parser read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from command_line import umd_harness
from kept_runs import keep_run
from outcomes import cell
from result_lines import result_line
from scripted_lab import outcome
from small_corpus import AS_EXPECTED, CELLS

from harness.cli.main import main
from harness.kselftest.ktap import KtapOutcome, parse_ktap
from harness.model.verdict import A_STEP, Verdict
from harness.report.ktap import ktap

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

LINES = [
    result_line(Verdict.TAMPERED, ["integrity"], cell=cell("baseline", "a"), is_control=True),
    result_line(Verdict.HELD, cell=cell("isolated", "a")),
    result_line(Verdict.TAMPERED, ["integrity"], cell=cell("isolated", "b"), known_hole="by #\n"),
    result_line(Verdict.TAMPERED, ["integrity"], cell=cell("isolated", "c"), ok=False, detail="#1"),
    result_line(Verdict.ERROR, cell=cell("isolated", "d"), ok=False, detail="silent"),
    result_line(Verdict.HELD, [A_STEP], cell=cell("isolated", "e"), ok=False),
    result_line(Verdict.NOT_APPLICABLE, cell=cell("kthread", "a"), detail="no file"),
]

WHOLE = r"""KTAP version 1
1..4
  KTAP version 1
  # Subtest: 6.12-baseline
  1..1
  ok 1 a
ok 1 6.12-baseline
  KTAP version 1
  # Subtest: 6.12-isolated
  1..5
  ok 1 a
  ok 2 b # XFAIL tampered, a known hole: by \x23\n
  # tampered, expected held: \x231
  # umd-harness show results/x 6.12-isolated-c
  not ok 3 c
  # error: silent
  # umd-harness show results/x 6.12-isolated-d
  not ok 4 d # ERROR silent
  # held as expected, but it gained an address
  # umd-harness show results/x 6.12-isolated-e
  not ok 5 e
not ok 2 6.12-isolated
  KTAP version 1
  # Subtest: 6.12-kthread
  1..1
  ok 1 a # SKIP no file
ok 3 6.12-kthread # SKIP all cells
not ok 4 6.12-kthread-b # ERROR it was not run"""


def test_each_cell_is_a_test_by_its_expectation() -> None:
    assert ktap(LINES, not_run=["6.12-kthread-b"], where="results/x") == WHOLE


def test_the_reader_of_selftests_reads_it() -> None:
    found = parse_ktap(WHOLE, 0)
    assert found["c"].outcome is found["d"].outcome is KtapOutcome.FAIL
    assert found["b"].outcome is KtapOutcome.SKIP
    assert found["a (3)"].outcome is KtapOutcome.SKIP


def test_a_run_prints_ktap_alone(tmp_path: Path) -> None:
    done = umd_harness(tmp_path, "run", "--format", "ktap")
    assert (done.returncode, done.stdout[:15]) == (0, "KTAP version 1\n")
    first = {line.split()[0] for line in done.stdout.splitlines()}
    assert first == {"KTAP", "#", "1..4", "1..7", "ok"}
    assert done.stdout.count("\n  ok ") == CELLS
    assert done.stderr.splitlines()[-1] == AS_EXPECTED


def test_failed_cells_run_again_with_ktap(tmp_path: Path) -> None:
    lost = "{('isolated', 'proc_mem_write'): outcome(Verdict.TAMPERED)}"
    assert umd_harness(tmp_path, "run", script=lost).returncode == 1
    done = umd_harness(tmp_path, "run", "--failed", "--format", "ktap")
    assert (done.returncode, done.stdout[:15]) == (0, "KTAP version 1\n")
    assert "  ok 3 proc_mem_write\n" in done.stdout


def test_a_kept_run_is_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep_run(tmp_path, "one", script={"isolated__proc_mem_write": outcome(Verdict.TAMPERED)})
    assert main(["convert", "latest", "--results", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("\n  ok ") == CELLS - 1
    assert f"  # umd-harness show {tmp_path / 'one'} 6.12-isolated-proc_mem_write\n" in printed
