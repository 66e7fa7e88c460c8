# SPDX-License-Identifier: GPL-2.0-only
"""Proposals: each win is declared with its reason, and each variant is a subset of the defences."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from small_corpus import changed

from harness.judge.cells import all_cells
from harness.model.cell import Cell
from harness.model.variants import VARIANTS
from harness.model.verdict import Verdict
from harness.scenarios import REFERENCES, SCENARIOS
from harness.scenarios.corpus import SHIPPED
from harness.scenarios.proposals import PROPOSALS, measured_wins
from harness.studies.defences import DEFENCES, PARTS

if TYPE_CHECKING:
    from pathlib import Path


def defences_of(variant: str) -> set[str]:
    """The defences that a proposal has on, whole or in part."""
    found = re.search(r"umd_only=(\S+)", VARIANTS[variant].cmdline)
    assert found
    return {PARTS.get(name, name) for name in found[1].split(",")}


def test_each_proposal_is_a_subset_of_the_defences() -> None:
    assert defences_of("proposal-mark") < defences_of("proposal") < DEFENCES.keys()


def test_what_was_measured_is_of_the_corpus_and_has_its_reason() -> None:
    assert measured_wins().keys() <= SCENARIOS.keys() - set(REFERENCES)
    for name, wins in measured_wins().items():
        assert wins.keys() <= set(PROPOSALS)
        for variant, win in wins.items():
            hole = SCENARIOS[name].hole_on(VARIANTS[variant])
            assert hole
            assert hole.reason == win.reason.strip() != ""
            assert hole.verdict is (win.verdict or SCENARIOS[name].wins)


def test_what_was_not_measured_to_win_must_be_held_as_on_isolated() -> None:
    proposal, isolated = VARIANTS["proposal"], VARIANTS["isolated"]
    for name, one in SCENARIOS.items():
        if name not in measured_wins() and not one.not_applicable:
            assert one.expected(proposal) is one.expected(isolated)
            assert one.gains(proposal) == one.gains(isolated)


def test_the_proposal_names_each_attack_that_the_mark_alone_does_not_hold() -> None:
    """The mark is a part of the proposal, so that what wins on the proposal wins there as well."""
    mark, proposal = VARIANTS["proposal-mark"], VARIANTS["proposal"]
    for one in SCENARIOS.values():
        if one.expected(proposal) not in (Verdict.HELD, Verdict.NOT_APPLICABLE):
            assert one.expected(mark) is not Verdict.HELD


@pytest.mark.parametrize(
    ("line", "gains"),
    [
        ("6.1", False),
        ("6.12", False),
        ("6.12+mine.mbox", False),
        ("6.15", True),
        ("7.2", True),
        ("my-tree", True),
    ],
)
def test_a_win_that_begins_with_a_version_is_expected_from_there_on(
    line: str, *, gains: bool
) -> None:
    mark = VARIANTS["proposal-mark"]
    one = SHIPPED.scenario(Cell(line, mark.name, "proc_maps"))
    assert one.gains(mark) == gains
    assert one.expected(mark) is Verdict.HELD, "a step is no loss"
    other = SHIPPED.scenario(Cell(line, mark.name, "prlimit_cpu"))
    assert other is SCENARIOS["prlimit_cpu"], "what is of any version is left as it is"


def test_an_attack_is_named_once_for_a_variant(tmp_path: Path) -> None:
    group = '[[measured]]\nvariants = ["proposal"]\nreason = "so"\nattacks = ["kcore"]\n'
    (tmp_path / "twice.toml").write_text(2 * group)
    with pytest.raises(ValueError, match=r"twice\.toml names kcore twice for proposal"):
        measured_wins(tmp_path / "twice.toml")


def test_an_attack_of_the_users_own_meets_a_proposal_only_if_that_is_named() -> None:
    brought = changed(SHIPPED, "kcore", origin=("--scenario", "mine.py"))
    assert not [c for c in all_cells(brought) if c.scenario == "kcore" and c.variant in PROPOSALS]
    named = all_cells(brought, variants=PROPOSALS)
    assert [c.variant for c in named if c.scenario == "kcore"] == list(PROPOSALS)
