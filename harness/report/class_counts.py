# SPDX-License-Identifier: GPL-2.0-only
"""The attacks that each variant held, by class, in a table for the terminal."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

from rich.table import Table

from harness.report.held_table import TOTAL
from harness.report.table import divided, variants_of
from harness.results.held_counts import count_by_class
from harness.results.recorded_run import RecordedRun
from harness.results.run_header import RunHeader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from harness.report.finished_run import FinishedRun
    from harness.results.held_counts import HeldByClass, HeldCount

_COLUMN = 10  # the width of a variant's column and the space before it
_LABEL, _SHORT_LABEL, _LONGEST_LABEL = 32, 16, 50  # the width of the column with the classes
_TABLES = 2  # a third table would leave no room for problems


def print_class_counts(out: Console, run: FinishedRun) -> None:
    """Print a row for each class and a column for each variant, in at most two tables.

    Of the variants that do not fit, the totals are printed.
    """
    counts = _counted(run)
    parts = _parts(list(counts.total), out.width)
    for part in parts[:_TABLES]:
        out.print(_table(run, counts, part, width=out.width))
        out.print()
    rest = [f"{name} {_entry(counts.total[name])}" for part in parts[_TABLES:] for name in part]
    if rest:
        out.print(f"held on {', '.join(rest)}", soft_wrap=True)


def _counted(run: FinishedRun) -> HeldByClass:
    lines = {line.cell: line for line in run.lines}
    recorded = RecordedRun(run.where.name, RunHeader(), lines)
    return count_by_class(recorded, run.corpus, variants_of(run.corpus, lines))


def _parts(variants: Sequence[str], width: int) -> list[list[str]]:
    """Divide the variants among one table, two, or as many as the width demands."""
    half = math.ceil(len(variants) / _TABLES)
    for label, columns in ((_LABEL, len(variants)), (_SHORT_LABEL, half)):
        if label + columns * _COLUMN <= width:
            return list(divided(variants, columns))
    return list(divided(variants, (width - _SHORT_LABEL) // _COLUMN))


def _table(run: FinishedRun, counts: HeldByClass, variants: Sequence[str], *, width: int) -> Table:
    label = max(1, min(_LONGEST_LABEL, width - len(variants) * _COLUMN))
    table = Table(box=None, padding=(0, 0, 0, 1), pad_edge=False)
    table.add_column(f"{run.cells[0].line}: held/run", width=label, no_wrap=True)
    for name in variants:
        head = "\n".join(textwrap.wrap(name, _COLUMN - 1))
        table.add_column(head, width=_COLUMN - 1, justify="right")
    rows = {
        name: row for name, row in counts.rows.items() if any(one.cells for one in row.values())
    }
    for name, row in (*rows.items(), (TOTAL, counts.total)):
        entries = (_entry(row[variant]) if variant in row else "" for variant in variants)
        table.add_row(name, *entries, style="bold" if name == TOTAL else None)
    failed = [result.cell.variant for result in run.problems]
    if failed:
        entries = (str(failed.count(variant) or "") for variant in variants)
        table.add_row("not as expected", *entries, style="bold red")
    return table


def _entry(count: HeldCount) -> str:
    return str(count).replace(" of ", "/")
