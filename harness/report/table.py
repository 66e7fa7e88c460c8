# SPDX-License-Identifier: GPL-2.0-only
"""The matrix as a table: a row per scenario, a column per variant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from harness.cell import Cell
from harness.report.text import summary_of, visible
from harness.scenarios import SCENARIOS
from harness.variants import VARIANTS
from harness.witness.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.conclusion import Result

_DETAIL_WIDTH = 60  # characters; failures are printed in full below the matrix
_VARIANT_WIDTH = 24  # columns; the rest is for the scenarios
_NOT_RUN = "not run"


def matrix_table(cells: Sequence[Cell], results: Mapping[Cell, Result]) -> Table:
    """Return the matrix with summaries and details, to be printed once all is known."""

    def entry(cell: Cell) -> Text:
        result = results.get(cell)
        return verdict_text(result) if result else Text(_NOT_RUN, style="dim")

    def row(name: str) -> Text:
        return Text.assemble((name, "bold"), "\n", (summary_of(name), "dim"))

    return _table(cells, row=row, entry=entry)


def live_table(cells: Sequence[Cell], state: Callable[[Cell], Text]) -> Table:
    """Return the matrix at one line a scenario, to be drawn while it runs."""
    return _table(cells, row=Text, entry=state)


def _table(
    cells: Sequence[Cell], *, row: Callable[[str], Text], entry: Callable[[Cell], Text]
) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    present = {cell.variant for cell in cells}
    variants = [name for name in VARIANTS if name in present]
    line = cells[0].line
    table.add_column(f"{line}: scenario")
    for variant in variants:
        table.add_column(variant, max_width=_VARIANT_WIDTH)
    for name in SCENARIOS:
        own = [Cell(line, variant, name) for variant in variants]
        if any(cell in cells for cell in own):
            table.add_row(row(name), *(entry(cell) if cell in cells else Text() for cell in own))
    return table


def verdict_text(result: Result, *, detail: bool = True) -> Text:
    """Return the verdict as the matrix shows it; `!` marks what was not expected."""
    text = Text()
    text.append(result.verdict if result.ok else f"! {result.verdict}", style=_style(result))
    if result.ok and result.hole is not None:
        text.append(" (known hole)", style="yellow")
    if detail and result.detail:
        text.append("\n" + _shortened(visible(result.detail)), style="dim")
    return text


def _style(result: Result) -> str:
    if result.verdict is Verdict.ERROR:
        return "bold magenta"
    if not result.ok:
        return "bold red"
    if result.hole is not None:
        return "yellow"
    return "green" if result.verdict is Verdict.HELD else "cyan"


def _shortened(text: str) -> str:
    return text if len(text) <= _DETAIL_WIDTH else text[: _DETAIL_WIDTH - 1] + "…"
