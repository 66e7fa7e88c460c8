# SPDX-License-Identifier: GPL-2.0-only
"""The cost of a handler for each request, from counts that are known."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from harness.host.errors import UserError, VmLost
from harness.studies.fresh_cost import TIMES, fresh_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Lab:
    """Machines on which a request with its own handler takes four times as much as a start."""

    @contextmanager
    def request_clock(self, variant: str) -> Iterator[Callable[[int, int], dict[str, list[int]]]]:
        assert variant == "isolated"

        def count(times: int, rounds: int) -> dict[str, list[int]]:
            each = {"request": 100, "fresh": 4000, "start": 1000}
            return {
                name: [10 * value * times] + (rounds - 1) * [value * times]
                for name, value in each.items()
            }

        yield count


def test_the_first_round_does_not_count() -> None:
    assert TIMES > 1
    found = fresh_cost(Lab(), machines=6, progress=lambda _: None)
    assert found.ratios == 6 * [4.0]
    assert str(found) == (
        "request 100  with a handler of its own 4000  fork and exec 1000 instructions  "
        "ratio 4.00 (4.00 to 4.00)"
    )


def test_a_lost_machine_is_an_error() -> None:
    class Lost(Lab):
        @contextmanager
        def request_clock(
            self, variant: str
        ) -> Iterator[Callable[[int, int], dict[str, list[int]]]]:
            raise VmLost(f"{variant} is gone")
            yield

    with pytest.raises(UserError, match="no instructions could be counted: isolated is gone"):
        fresh_cost(Lost(), machines=6, progress=lambda _: None)
