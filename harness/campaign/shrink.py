# SPDX-License-Identifier: GPL-2.0-only
"""Smaller sequences that still do the same: bisection of prefixes, and delta debugging."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


def shortest_prefix(items: Sequence[T], does: Callable[[Sequence[T]], bool]) -> list[T]:
    """Return the shortest prefix that `does`, if longer prefixes do as well. All items must."""
    low, high = 0, len(items)
    while high - low > 1:
        middle = (low + high) // 2
        if does(items[:middle]):
            high = middle
        else:
            low = middle
    return list(items[:high])


def fewest(items: Sequence[T], does: Callable[[Sequence[T]], bool], *, tries: int) -> list[T]:
    """Return a subsequence that `does` and from which no single item can be left out.

    All items must do. This is ddmin of Zeller and Hildebrandt. After `tries` calls of `does` it
    returns what it has.
    """
    left, parts = list(items), 2
    while len(left) > 1 and tries > 0:
        size = -(-len(left) // parts)
        for start in range(0, len(left), size):
            rest = left[:start] + left[start + size :]
            tries -= 1
            if does(rest):
                left, parts = rest, max(parts - 1, 2)
                break
            if tries <= 0:
                return left
        else:
            if size == 1:
                return left
            parts = min(2 * parts, len(left))
    return left
