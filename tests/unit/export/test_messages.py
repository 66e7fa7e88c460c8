# SPDX-License-Identifier: GPL-2.0-only
"""The messages of the shipped series: no line is too long, and each attack named is there."""

from __future__ import annotations

import re

import pytest

from harness.host.paths import KERNEL_PATCHES
from harness.kernel.series.lines import kernel_lines
from harness.kernel.series.series_file import load_series
from harness.scenarios import SCENARIOS

WIDEST = 75
ATTACKS = re.compile(
    r"attacks? of umd-harness wins?\s.*?whole\s+series:\s+([\w,\s]+)\.$", re.DOTALL
)


def named(message: str) -> list[str]:
    """The attacks that a message says its commit stops."""
    return [name for found in ATTACKS.findall(message) for name in re.split(r",\s+", found)]


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


def test_an_attack_is_found_where_it_is_named() -> None:
    message = (
        "Why.\n\nThese attacks of umd-harness win without it, and fail on the\nwhole series: a,\nb."
    )
    assert named(message) == ["a", "b"]
