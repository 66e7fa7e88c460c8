# SPDX-License-Identifier: GPL-2.0-only
"""A hibernation image's table of page frames, which a guest may have forged."""

from __future__ import annotations

import struct

import pytest

from harness.attacker.tools.snapshot import place_of

ZERO, END = 1 << 63, (1 << 64) - 1


def table(*entries: int) -> bytes:
    return struct.pack(f"<{len(entries)}Q", *entries)


def test_a_frame_lies_behind_those_that_are_listed_before_it() -> None:
    assert place_of(9, table(3, 7, 9, END)) == 2


def test_a_frame_of_zeroes_takes_no_place() -> None:
    assert place_of(9, table(3, 7 | ZERO, 9, END)) == 1


@pytest.mark.parametrize(
    "entries", [(3, 7), (3, END, 9), (9 | ZERO,), ()], ids=["none", "behind end", "zero", "empty"]
)
def test_a_frame_that_is_not_in_the_image_is_said_to_be_missing(entries: tuple[int, ...]) -> None:
    with pytest.raises(LookupError):
        place_of(9, table(*entries))
