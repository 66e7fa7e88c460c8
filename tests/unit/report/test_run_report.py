# SPDX-License-Identifier: GPL-2.0-only
"""The report of a run: short, with the problems first, and whole in a file."""

from __future__ import annotations

import io
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from scripted_lab import expected_outcome, outcome
from small_corpus import SMALL

from harness.judge.cells import all_cells
from harness.judge.conclusion import conclude
from harness.model.verdict import Verdict
from harness.report.finished_run import FinishedRun
from harness.report.rows import plain_console, rows_of
from harness.report.run_report import ROWS, Extent, Kept, print_report, write_matrix
from harness.report.table import PARITY, divided
from harness.report.text import rerun_line
from harness.scenarios.corpus import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.cell import Cell
    from harness.scenarios.corpus import Corpus

WHERE = Path("results/20260102T030405Z-000000")
MATRIX = WHERE / "matrix.txt"
COLUMN = 9
"""The width of a column."""
CELLS = len(all_cells(SHIPPED))
HELD = [
    cell
    for cell in all_cells(SHIPPED)
    if cell.variant == "isolated"
    and not SHIPPED.scenario(cell).is_reference
    and SHIPPED.scenario(cell).expected(SHIPPED.variant(cell)) is Verdict.HELD
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in no checkout, where a cell is run again by ./run."""
    monkeypatch.chdir(tmp_path)


@cache
def whole(failed: int = 0) -> FinishedRun:
    """A run in which so many attacks succeed on `isolated` that should not."""
    return finished(SHIPPED, HELD[:failed])


def finished(corpus: Corpus, lost: Sequence[Cell] = ()) -> FinishedRun:
    outcomes = {cell: expected_outcome(corpus, cell) for cell in all_cells(corpus)}
    outcomes |= dict.fromkeys(lost, outcome(Verdict.TAMPERED, "wrong chain " * 9))
    return FinishedRun(
        corpus=corpus,
        cells=list(outcomes),
        results={cell: conclude(corpus, cell, outcomes) for cell in outcomes},
        seconds=937.9,
        where=WHERE,
        notes={},
        rerun=partial(rerun_line, corpus=corpus),
    )


def report(run: FinishedRun, width: int, extent: Extent = Extent.FITTING) -> list[str]:
    out = io.StringIO()
    print_report(plain_console(out, width=width), run, kept=Kept(MATRIX), extent=extent)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 100, 132, 160, 250])
@pytest.mark.parametrize("failed", [0, 1, 100])
def test_the_report_of_the_whole_corpus_has_at_most_sixty_rows(width: int, failed: int) -> None:
    lines = report(whole(failed=failed), width)
    assert sum(max(1, -(-cell_len(line.rstrip()) // width)) for line in lines) <= ROWS
    assert lines[-1].startswith(f"{CELLS} cells: {CELLS - failed} as expected, {failed} unexpected")
    assert lines[-2:-1] == [f"matrix: {MATRIX}"]
    for variant in SHIPPED.variants:
        last = variant.split("-")[-1][:COLUMN]  # a longer word goes on in the next line
        assert any(word in line for line in lines for word in (variant, last))
    (head,) = [line.split() for line in lines if "kthread" in line and "held/run" in line]
    assert head.index("kthread") == head.index("isolated") + 1
    shown = sum(line.startswith("    umd-harness run --variant isolated -k ") for line in lines)
    left = [line for line in lines if line.endswith(f": see {MATRIX}")]
    assert len(left) == (shown < failed)
    assert shown + sum(int(line.split()[0]) for line in left) == failed


def test_a_row_counts_a_class_and_says_where_a_cell_is_not_as_expected() -> None:
    lines = report(whole(failed=2), 250)
    (signals,) = [line.split() for line in lines if line.startswith("signals ")]
    assert signals[1:4] == ["2/16", "16/16", "14/16"]
    (failed,) = [line.split() for line in lines if line.startswith("not as expected ")]
    assert failed[3:] == ["2"]


def test_a_small_run_prints_its_matrix_if_it_fits() -> None:
    run = finished(SMALL)
    assert report(run, 160) == report(run, 160, Extent.MATRIX)
    assert " 6.12: scenario " in report(run, 160)[1]
    narrow = report(run, 50)
    assert not any("6.12: scenario" in line for line in narrow)
    assert narrow[-2] == f"matrix: {MATRIX}"


def test_the_matrix_is_printed_if_it_is_asked_for_or_kept_nowhere() -> None:
    for matrix, extent in ((None, Extent.FITTING), (MATRIX, Extent.MATRIX)):
        out = io.StringIO()
        print_report(
            plain_console(out, width=50), finished(SMALL), kept=Kept(matrix), extent=extent
        )
        lines = out.getvalue().splitlines()
        assert sum(line.startswith(" 6.12: scenario") for line in lines) > 1
        assert len(lines) > ROWS


def test_the_file_has_every_row_and_every_problem(tmp_path: Path) -> None:
    write_matrix(tmp_path / "matrix.txt", whole(failed=100))
    lines = (tmp_path / "matrix.txt").read_text().splitlines()
    assert sum(line.startswith(" 6.12: scenario") for line in lines) == 1
    assert {line.split()[0] for line in lines if line} >= set(SHIPPED.scenarios)
    assert sum(line.startswith("    umd-harness run ") for line in lines) == 100
    assert lines[-1].startswith(f"{CELLS} cells: ")


def test_only_the_problems_are_printed_if_they_are_asked_for() -> None:
    lines = report(whole(failed=1), 160, Extent.PROBLEMS)
    assert lines[0] == "Not as expected:"
    assert lines[1].startswith(f"  {HELD[0].id}: tampered, expected held: wrong chain")
    assert lines[2].startswith("    umd-harness run --variant isolated -k ")
    assert [line.split()[0] for line in lines[3:]] == ["median", "results:", "matrix:", str(CELLS)]


@pytest.mark.parametrize("fit", range(-3, 12))
def test_isolated_and_kthread_stand_side_by_side(fit: int) -> None:
    columns = ["baseline", "isolated", "kthread", PARITY, *"abcde"]
    parts = list(divided(columns, fit))
    assert [name for part in parts for name in part] == columns
    assert all(len(part) <= max(fit, 2) for part in parts)
    assert any(("isolated" in part) and ("kthread" in part) for part in parts)


def test_a_long_line_takes_several_rows() -> None:
    assert rows_of(lambda out: out.print("x" * 81, soft_wrap=True), 40) == 3
    assert rows_of(lambda out: out.print(), 40) == 1
