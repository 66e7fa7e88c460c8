# SPDX-License-Identifier: GPL-2.0-only
"""The bitmap of idle page frames."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.attacker.tools.frames import bits_in


@given(st.sets(st.integers(0, 999)))
def test_every_bit_that_is_set_is_found_in_order(numbers: set[int]) -> None:
    bitmap = sum(1 << number for number in numbers).to_bytes(125, "little")
    assert bits_in(bitmap) == sorted(numbers)
