# SPDX-License-Identifier: GPL-2.0-only
"""The matrix as a table: a row for each scenario, a column for each variant."""

from __future__ import annotations

import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from harness.judge.parity import REFERENCE, SUBJECT, parities
from harness.model.cell import Cell
from harness.model.verdict import A_STEP, Verdict
from harness.report.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rich.console import OverflowMethod

    from harness.judge.result import Result
    from harness.scenarios.corpus import Corpus

_DETAIL_WIDTH = 60  # characters; the report prints failures in full
_SCENARIO_WIDTH = 36  # columns; more for a longer name, which must be whole for -k
_NARROWEST, _WIDEST = 14, 24  # the width of a variant's column
_BETWEEN = 3  # the space between two columns
_NOT_RUN = "not run"
_FIRST = ("baseline", SUBJECT, REFERENCE)  # the columns that a reader compares come first
PARITY = "parity"


def matrix_tables(
    corpus: Corpus, cells: Sequence[Cell], results: Mapping[Cell, Result], *, width: int
) -> Iterator[Table]:
    """Yield the matrix with summaries and details, for the end of a run.

    It is one table. If `width` is too small for it, the columns are divided among several.
    """
    names, columns = scenarios_of(corpus, cells), variants_of(corpus, cells)
    parity = _parity(results.values())
    if parity:
        columns.insert(columns.index(REFERENCE) + 1, PARITY)
    pair = 2 * (_NARROWEST + _BETWEEN)  # `isolated` and `kthread`
    first = max(min(_SCENARIO_WIDTH, width - pair), *map(len, names))

    def entry(name: str, column: str) -> Text:
        if column == PARITY:
            return parity.get(name, Text())
        result = results.get(Cell(cells[0].line, column, name))
        return verdict_text(result) if result else Text(_NOT_RUN, style="dim")

    def head(name: str) -> Text:
        summary = "\n".join(textwrap.wrap(visible(corpus.scenarios[name].summary), first))
        return Text.assemble((name, "bold"), "\n", (summary, "dim"))

    rows = {name: head(name) for name in names}
    fit = (width - first) // (_NARROWEST + _BETWEEN)
    for part in divided(columns, fit):
        yield _table(cells, part, rows, entry)
        rows = {
            name: Text(name, style="bold") for name in names
        }  # the first table has the summaries


def live_table(
    corpus: Corpus, cells: Sequence[Cell], state: Callable[[Cell], Text], *, names: Sequence[str]
) -> Table:
    """Return the rows `names` of the matrix, a line each, for the live display."""

    def entry(name: str, variant: str) -> Text:
        return state(Cell(cells[0].line, variant, name))

    rows = {name: Text(name) for name in names}
    return _table(cells, variants_of(corpus, cells), rows, entry, is_live=True)


def scenarios_of(corpus: Corpus, cells: Iterable[Cell]) -> list[str]:
    """Return the scenarios of the cells, in the matrix's order."""
    present = {cell.scenario for cell in cells}
    return [name for name in corpus.scenarios if name in present]


def variants_of(corpus: Corpus, cells: Iterable[Cell]) -> list[str]:
    """Return the variants of the cells, in the order of the columns."""
    present = {cell.variant for cell in cells}
    names = [name for name in corpus.variants if name in present]
    return sorted(names, key=lambda name: (*_FIRST, name).index(name))


def divided(columns: Sequence[str], fit: int) -> Iterator[list[str]]:
    """Divide the columns among tables of `fit` columns.

    `isolated` and `kthread` are never divided: a reader compares them.
    """
    part: list[str] = []
    for column, after in pairwise([*columns, ""]):
        needed = 2 if (column, after) == (SUBJECT, REFERENCE) else 1
        together = part[-1:] == [SUBJECT] and column == REFERENCE
        if part and not together and len(part) + needed > fit:
            yield part
            part = []
        part.append(column)
    yield part


def _table(
    cells: Sequence[Cell],
    columns: Sequence[str],
    rows: Mapping[str, Text],
    entry: Callable[[str, str], Text],
    *,
    is_live: bool = False,
) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    line, known = cells[0].line, set(cells)
    table.add_column(f"{line}: scenario", no_wrap=True)
    for column in columns:
        overflow: OverflowMethod = "ellipsis" if is_live else "fold"
        table.add_column(column, max_width=_WIDEST, no_wrap=is_live, overflow=overflow)
    for name, head in rows.items():
        table.add_row(
            head,
            *(
                entry(name, column)
                if column == PARITY or Cell(line, column, name) in known
                else Text()
                for column in columns
            ),
        )
    return table


def _parity(results: Iterable[Result]) -> dict[str, Text]:
    """Return by scenario what the isolated handler loses and a kernel thread does not.

    The result is empty if the reference was not run.
    """
    found = dict(parities(results))
    if all(axes is None for axes in found.values()):
        return {}
    return {cell.scenario: _parity_text(axes) for cell, axes in found.items()}


def _parity_text(axes: Sequence[str] | None) -> Text:
    if axes is None:
        return Text("not shown", style="bold magenta")
    return Text(f"worse: {', '.join(axes)}", style="yellow") if axes else Text("yes", style="green")


def verdict_text(result: Result, *, detail: bool = True) -> Text:
    """Return the verdict as the matrix shows it; `!` marks an unexpected result."""
    text = Text()
    text.append(result.verdict if result.ok else f"! {result.verdict}", style=_style(result))
    if result.ok and result.hole is not None:
        text.append(" (known hole)", style="yellow")
    if result.ok and result.gained:
        text.append(f", {A_STEP}", style="yellow" if result.hole is not None else "cyan")
    won, made = result.tries
    if detail and made:
        text.append(f"\nwon {won} of {made} tries", style="dim")
    if detail and result.rounds > 1:
        text.append(f"\nround {result.rounds}", style="dim")
    if detail and result.kept:
        text.append(f"\nkept from {visible(result.kept)}", style="dim")
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
