# SPDX-License-Identifier: GPL-2.0-only
"""Sequences become as small as they can be, and still do the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as some

from harness.campaign.shrink import fewest, shortest_prefix

if TYPE_CHECKING:
    from collections.abc import Sequence


@given(some.integers(1, 40), some.data())
def test_the_prefix_ends_with_the_one_that_matters(size: int, data: some.DataObject) -> None:
    culprit = data.draw(some.integers(0, size - 1))
    assert shortest_prefix(range(size), lambda part: culprit in part)[-1] == culprit


@given(some.sets(some.integers(0, 30), min_size=1, max_size=4))
def test_what_is_needed_is_left_and_nothing_else(needed: set[int]) -> None:
    assert set(fewest(range(31), needed.issubset, tries=1000)) == needed


def test_it_ends_when_its_tries_are_used_up() -> None:
    tried = 0

    def never(_: Sequence[int]) -> bool:
        nonlocal tried
        tried += 1
        return False

    assert fewest(range(100), never, tries=7) == list(range(100))
    assert tried == 7
