# SPDX-License-Identifier: GPL-2.0-only
"""The messages of the shipped series: what each must say, and that what it says was measured."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from harness.findings.price import COMMITS
from harness.host.paths import CHECKOUT, KERNEL_PATCHES
from harness.kernel.series.commits import Part
from harness.kernel.series.lines import DEFAULT_LINE, kernel_lines
from harness.kernel.series.series_file import load_series
from harness.results.defence_summary import read_defences
from harness.scenarios import SCENARIOS

if TYPE_CHECKING:
    from harness.kernel.series.commits import Commit
    from harness.results.defence_summary import Alone

WIDEST = 75
ATTACKS = re.compile(
    r"attacks? of umd-harness wins?\s((?:(?!attacks? of umd-harness).)*?)whole\s+series:"
    r"\s+([\w,\s]+)\.$",
    re.DOTALL | re.MULTILINE,
)
BY_FILTER = re.compile(r"the filter\s+alone:\s+([\w,\s]+)\.$", re.MULTILINE)
RUNS = CHECKOUT / "docs/runs"


def said(message: str) -> list[tuple[bool, str]]:
    """The attacks that a message names, and whether its commit is one of two that stop them."""
    return [
        ("where neither" in " ".join(condition.split()), name)
        for condition, names in ATTACKS.findall(message)
        for name in re.split(r",\s+", names)
    ]


def named(message: str) -> list[str]:
    """The attacks that a message says its commit stops."""
    return [name for _, name in said(message)]


def stops_alone(commit: Commit) -> set[str]:
    """The attacks that win without a commit, whatever else the series has."""
    return {name for is_one_of_two, name in said(commit.body.strip()) if not is_one_of_two}


def shipped() -> list[Commit]:
    """The commits with a part in the isolation, its tests left out."""
    commits = load_series(DEFAULT_LINE, patches=KERNEL_PATCHES).commits
    return [commit for commit in commits if commit.part is not Part.TESTS]


def owner(commit: Commit) -> str:
    assert commit.patch is not None
    return COMMITS[commit.patch.stem]


@pytest.fixture(scope="module")
def study() -> Alone:
    """Which attacks won without which defence."""
    alone = read_defences(RUNS / "defences.json").alone
    assert alone is not None
    return alone


@pytest.mark.parametrize("line", kernel_lines(KERNEL_PATCHES))
def test_no_line_is_too_long(line: str) -> None:
    for commit in load_series(line, patches=KERNEL_PATCHES).commits:
        assert max(map(len, commit.message.splitlines())) <= WIDEST, commit.subject


@pytest.mark.parametrize("line", kernel_lines(KERNEL_PATCHES))
def test_the_attacks_that_a_message_names_are_there(line: str) -> None:
    commits = load_series(line, patches=KERNEL_PATCHES).commits
    told = {commit.subject: named(commit.body.strip()) for commit in commits}
    assert sum(map(bool, told.values())) > 10
    for subject, names in told.items():
        assert set(names) <= SCENARIOS.keys(), subject


def test_what_a_message_says_was_measured(study: Alone) -> None:
    """An attack that the study does not have is one that the next study will have."""
    alone = {name for won in study.won.values() for name in won}
    for commit in shipped():
        won = study.won.get(owner(commit), dict.fromkeys(alone))
        for is_one_of_two, name in said(commit.body.strip()):
            if name in study.attacks:
                wrong = name in alone if is_one_of_two else name not in won
                assert not wrong, (commit.subject, name)


def test_a_commit_that_stops_nothing_by_itself_says_why_it_stays(study: Alone) -> None:
    idle = {name for name, won in study.won.items() if not won}
    assert idle == {"faults", "pipes", "image"}
    later = {owner(commit) for commit in shipped() if stops_alone(commit) - set(study.attacks)}
    told = {owner(commit) for commit in shipped() if "stays because" in words(commit.body)}
    assert told == idle - later


def test_each_message_gives_the_cost_and_the_test() -> None:
    for commit in shipped():
        text = words(commit.body)
        assert re.search(r"[Tt]he cost (?:is|for)|no cost", text), commit.subject
        assert "umd-harness" in text or "Tested with the commit that" in text, commit.subject


def test_the_attacks_that_fail_under_the_filter_did_so_in_a_run() -> None:
    text = "\n".join(commit.body for commit in shipped())
    names = [name for found in BY_FILTER.findall(text) for name in re.split(r",\s+", found)]
    assert len(names) == 6
    runs = [json.loads(path.read_text())["cells"] for path in RUNS.glob("2*.json")]
    for name in names:
        found = [run.get(name, {}) for run in runs]
        assert {"held"} == {one["seccomp-filter"] for one in found if "seccomp-filter" in one}, name
        assert "held" not in {one["baseline"] for one in found if "baseline" in one}, name


def words(text: str) -> str:
    return " ".join(text.split())


def test_an_attack_is_found_where_it_is_named() -> None:
    message = (
        "Why.\n\nThese attacks of umd-harness win without it, and fail on the\nwhole series: a,\nb."
    )
    assert named(message) == ["a", "b"]
    two = (
        message + "\n\nThis attack of umd-harness wins where\nneither is, not the whole series: c."
    )
    assert said(two) == [(False, "a"), (False, "b"), (True, "c")]
