# SPDX-License-Identifier: GPL-2.0-only
"""The cost of a parser outside of the kernel, from times that are known."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.host.errors import UserError, VmLost
from harness.studies.parser_cost import CERTIFICATES, WARM, parser_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Lab:
    """Machines whose handler takes four times as long as the kernel, and ten times while cold."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    @contextmanager
    def parser_clock(self, variant: str) -> Iterator[Callable[[int], dict[str, list[int]]]]:
        assert variant == "isolated"

        def add(count: int) -> dict[str, list[int]]:
            self.asked.append(count)
            slow = 10 if count == WARM else 4
            return {"handler": [slow * 50] * count, "kernel": [50] * count}

        yield add


def test_the_rate_is_that_of_the_warm_certificates() -> None:
    lab = Lab()
    found = parser_cost(cast("Any", lab), machines=6, progress=lambda _: None)
    assert lab.asked == 6 * [WARM, CERTIFICATES]
    assert found.ratios == 6 * [0.25]
    assert "handler 200 us  kernel 50 us  rate 0.250 of the kernel's (0.250 to 0.250)" in str(found)


def test_a_lost_machine_is_an_error() -> None:
    class Lost(Lab):
        @contextmanager
        def parser_clock(self, variant: str) -> Iterator[Callable[[int], dict[str, list[int]]]]:
            raise VmLost(f"{variant} is gone")
            yield

    with pytest.raises(UserError, match="no certificates could be timed: isolated is gone"):
        parser_cost(cast("Any", Lost()), machines=6, progress=lambda _: None)
