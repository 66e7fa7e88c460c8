# SPDX-License-Identifier: GPL-2.0-only
"""A table of `rich` as plain lines, for a file: rich itself takes many times as long.

Most entries of a matrix are alike, so each is wrapped once.
"""

from __future__ import annotations

from functools import cache
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

_BETWEEN = " " * 3


def plain_table(table: Table) -> Iterator[str]:
    """Yield the lines as rich has them where there is room for all columns of a SIMPLE_HEAD table.

    A column takes at most its `max_width`. All entries are text.
    """
    wrapped = cache(_wrapped)
    columns = [
        [wrapped(str(entry), column.max_width) for entry in (column.header, *column.cells)]
        for column in table.columns
    ]
    widths = [max(cell_len(line) for entry in column for line in entry) for column in columns]
    head, *rows = zip(*columns, strict=True)
    tallest = max(map(len, head))
    yield ""
    yield from _row(tuple(("",) * (tallest - len(entry)) + entry for entry in head), widths)
    yield " " + "─" * (sum(widths) + len(_BETWEEN) * (len(widths) - 1))
    for row in rows:
        yield from _row(row, widths)
    yield ""


def _row(entries: tuple[tuple[str, ...], ...], widths: list[int]) -> Iterator[str]:
    for lines in zip_longest(*entries, fillvalue=""):
        padded = (
            line + " " * (width - cell_len(line)) for line, width in zip(lines, widths, strict=True)
        )
        yield f" {_BETWEEN.join(padded)}".rstrip()


def _wrapped(text: str, width: int | None) -> tuple[str, ...]:
    """Return the lines of an entry, folded as rich folds them."""
    lines = text.split("\n")
    if width is None or all(cell_len(line) <= width for line in lines):
        return tuple(lines)
    folded = Text(text).wrap(Console(), width, overflow="fold")
    return tuple(line.plain for line in folded)
