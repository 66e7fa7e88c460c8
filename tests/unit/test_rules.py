# SPDX-License-Identifier: GPL-2.0-only
"""Each rule that code and tests cite by its number is in docs/explanation/rules.md."""

from __future__ import annotations

import re

import pytest

from harness.host.paths import CHECKOUT

RULE = re.compile(r"^## Rule (\d+): .", re.MULTILINE)
CITED = re.compile(r"\brules? (\d+)(?: and (\d+))?\b", re.IGNORECASE)


def cited(text: str) -> set[int]:
    """The numbers of the rules that a text cites."""
    return {int(number) for found in CITED.findall(text) for number in found if number}


def rules() -> list[int]:
    """The numbers of the rules that are stated."""
    page = (CHECKOUT / "docs/explanation/rules.md").read_text()
    return [int(number) for number in RULE.findall(page)]


def test_the_rules_are_numbered_in_order() -> None:
    assert rules() == list(range(1, 11))


@pytest.mark.parametrize("folder", ["harness", "tests"])
def test_each_rule_that_is_cited_is_stated(folder: str) -> None:
    found = {path: cited(path.read_text()) for path in (CHECKOUT / folder).rglob("*.py")}
    assert any(found.values())
    assert {path: numbers for path, numbers in found.items() if not numbers <= set(rules())} == {}


def test_a_citation_is_seen() -> None:
    assert cited("Nothing counts (rule 3), by rules 2 and 4.") == {2, 3, 4}
