# SPDX-License-Identifier: GPL-2.0-only
"""The cost for everybody else: from counted instructions to ratios, intervals, and a word."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest

from harness.host.errors import UserError, VmLost
from harness.studies.system_cost import (
    LIMIT,
    OPERATIONS,
    ROUNDS,
    CountStarter,
    OperationCost,
    system_cost,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def counting(each: int, asked: list[tuple[str, int, int]] | None = None) -> CountStarter:
    """Machines on which the first round takes ten times as long, and the others `each`."""

    @contextmanager
    def start() -> Iterator[Callable[[str, int, int], list[int]]]:
        def count(name: str, times: int, rounds: int) -> list[int]:
            if asked is not None:
                asked.append((name, times, rounds))
            return [10 * each * times, *[each * times] * (rounds - 1)]

        yield count

    return start


def cost(*ratios: float) -> OperationCost:
    stock = (1000.0,) * len(ratios)
    return OperationCost("open", stock, tuple(1000 * ratio for ratio in ratios))


def test_each_operation_has_a_ratio_without_its_first_round() -> None:
    asked: list[tuple[str, int, int]] = []
    found = system_cost(
        counting(1000, asked),
        counting(1020),
        pairs=6,
        operations={"open": 5, "read": 7},
        progress=lambda _: None,
    )
    assert asked == [("open", 5, 1 + ROUNDS), ("read", 7, 1 + ROUNDS)] * 6
    assert [one.name for one in found] == ["open", "read"]
    assert [(one.ratio, one.interval) for one in found] == [(1.02, (1.02, 1.02))] * 2


@pytest.mark.parametrize(
    ("ratios", "within", "said"),
    [
        ([1.0, 1.001, 1.002, 1.0, 1.01, 0.99], True, "within 1.01"),
        ([1.0, 1.001, 1.002, 1.0, 1.02, 0.99], None, "not decided against 1.01: take more -n"),
        ([1.02, 1.011, 1.02, 1.03, 1.02, 1.02], False, "MORE than 1.01"),
    ],
)
def test_only_an_interval_on_one_side_decides(
    ratios: list[float], within: bool | None, said: str
) -> None:
    found = cost(*ratios)
    assert found.is_within is within
    assert said in str(found)
    assert found.figures().is_within is within
    assert LIMIT == 1.01


def test_the_figures_to_keep() -> None:
    kept = msgspec.to_builtins(cost(*[1.5] * 6).figures())
    assert kept == {
        "name": "open",
        "stock_instructions": 1000,
        "series_instructions": 1500,
        "ratio": 1.5,
        "ratio_low": 1.5,
        "ratio_high": 1.5,
        "confidence": 0.95,
        "limit": 1.01,
        "is_within": False,
        "pairs": ((1000, 1500),) * 6,
    }


def test_too_few_pairs_are_refused_before_any_machine() -> None:
    asked: list[tuple[str, int, int]] = []
    with pytest.raises(UserError, match="5 pairs of machines are too few; take -n 6"):
        system_cost(counting(1, asked), counting(1, asked), pairs=5, progress=lambda _: None)
    assert not asked


@pytest.mark.parametrize("error", [VmLost("QEMU is gone"), ChildProcessError("QEMU is gone")])
def test_a_machine_that_fails_is_no_traceback(error: Exception) -> None:
    @contextmanager
    def lost() -> Iterator[Callable[[str, int, int], list[int]]]:
        raise error
        yield

    with pytest.raises(UserError, match="no instructions could be counted: QEMU is gone"):
        system_cost(counting(1), lost, pairs=6, progress=lambda _: None)


def test_what_is_counted() -> None:
    named = {"fork-exit", "fork-exec", "pipe", "signal", "page-fault", "read", "write", "switch"}
    assert named <= OPERATIONS.keys()
