# SPDX-License-Identifier: GPL-2.0-only
"""A table as plain lines: those of rich, where rich has room."""

from __future__ import annotations

import io

import pytest
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from scripted_lab import expected_outcome
from small_corpus import SMALL

from harness.judge.cells import all_cells
from harness.judge.conclusion import conclude
from harness.report.plain_table import plain_table
from harness.report.rows import plain_console
from harness.report.table import matrix_tables
from harness.scenarios.corpus import SHIPPED, Corpus

WIDE = 10_000


def of_rich(table: Table) -> list[str]:
    out = io.StringIO()
    plain_console(out, width=WIDE).print(table)
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("corpus", [SMALL, SHIPPED], ids=["small", "shipped"])
def test_the_matrix_is_that_of_rich(corpus: Corpus) -> None:
    outcomes = {cell: expected_outcome(corpus, cell) for cell in all_cells(corpus)}
    results = {cell: conclude(corpus, cell, outcomes) for cell in outcomes}
    (table,) = matrix_tables(corpus, list(outcomes), results, width=WIDE)
    assert list(plain_table(table)) == of_rich(table)


def test_long_and_wide_words_are_folded_as_by_rich() -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("first", no_wrap=True)
    for head in ("a-name-of-a-variant-that-takes-two-lines", "short", "\u8868\u306e" * 9):
        table.add_column(head, max_width=24, overflow="fold")
    words = "a few words that do not fit, and\none_word_that_is_longer_than_the_column_is"
    table.add_row(Text("x" * 40), Text(words), Text("\u8868" * 30), Text())
    table.add_row(Text("y\nz"), Text(""), Text("held"), Text("\u00e9" * 25))
    assert list(plain_table(table)) == of_rich(table)
