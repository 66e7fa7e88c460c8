# SPDX-License-Identifier: GPL-2.0-only
"""The table of held attacks: its classes and variants are the corpus's, its sums are right."""

from __future__ import annotations

import re

import pytest

from harness.host.paths import CHECKOUT
from harness.report.held_table import CLASS, TOTAL
from harness.results.held_counts import BELOW, CENTRAL, NOT_RUN
from harness.scenarios.classes import always_counted

PAGE = (CHECKOUT / "docs/explanation/held-attacks.md").read_text()
BETWEEN = re.compile(r"<!-- umd-harness table -->\n(.*?)<!-- end of the table -->", re.DOTALL)
HELD = re.compile(r"(\d+) of (\d+)")
SOURCE = re.compile(r"Counted from run `?\d{8}T\d{6}Z-[0-9a-f]{6}`?: line 6\.12, ")


def check(page: str) -> None:
    """Raise AssertionError unless the table is what the command prints for a run of this corpus."""
    found = BETWEEN.findall(page)
    assert len(found) == 1, "there is one table, between its two markers"
    table, _, below = found[0].strip().partition("\n\n")
    head, rule, *rows = ([x.strip() for x in line.split("|")[1:-1]] for line in table.splitlines())
    assert head == [CLASS, *(f"`{name}`" for name in CENTRAL)]
    assert set(rule) == {"---"}
    assert [row[0] for row in rows] == [*always_counted(), TOTAL, *BELOW]
    for column in zip(*(row[1:] for row in rows), strict=True):
        check_column(*column[: len(always_counted()) + 1])
    assert SOURCE.match(below), "it says which run it was counted from"


def check_column(*entries: str) -> None:
    """Raise AssertionError unless the classes add up to the total, which comes last."""
    *counts, total = entries
    if total == NOT_RUN:
        assert set(counts) == {NOT_RUN}
        return
    numbers = [HELD.fullmatch(one) for one in (*counts, total) if one not in ("n/a", "error")]
    pairs = [(int(one[1]), int(one[2])) for one in numbers if one]
    assert len(pairs) == len(numbers), "so many of so many"
    assert all(held <= run for held, run in pairs)
    assert tuple(map(sum, zip(*pairs[:-1], strict=True))) == pairs[-1]


def test_the_table_is_well_formed() -> None:
    check(PAGE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<!-- end of the table -->", ""),
        (f"| {TOTAL} |", "| total |"),
        (f"| {always_counted()[0]} |", "| another class |"),
        ("| `kthread` | `tsem` |\n| --- ", "| `kthread` | `other` |\n| --- "),
        ("Counted from run ", "Counted from "),
        (" of ", " off "),
        ("n/a |", "0 of 1 |"),
    ],
)
def test_one_that_is_not_is_told(old: str, new: str) -> None:
    found = BETWEEN.search(PAGE)
    assert found
    whole = found[0]
    assert old in whole
    with pytest.raises((AssertionError, ValueError)):
        check(PAGE.replace(whole, whole.replace(old, new, 1)))
