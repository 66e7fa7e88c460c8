# SPDX-License-Identifier: GPL-2.0-only
"""What the series costs everybody else: common operations, compared with the stock kernel.

No driver runs. Counted are instructions, whose number hardly depends on the host
(harness/lab/instruction_clock.py). Each pair of machines, one of each kernel, gives a ratio for
each operation, and the result is the median of the ratios with the interval of the sign test.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from harness.host.errors import UserError, VmLost
from harness.host.pace import Pace
from harness.results.system_figures import OperationFigures
from harness.studies.cut_short import CutShort
from harness.studies.round_trip import CONFIDENCE, FEWEST, check_pairs, keeps_to, sign_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

STOCK, SERIES = "stock", "series"

LIMIT = 1.01
"""How many times the stock kernel's instructions an operation may take."""

PAIRS = FEWEST

ROUNDS = 5
"""Counted rounds of an operation on each machine; the first one, in which all is new, is not."""

OPERATIONS: Mapping[str, int] = {
    "system-call": 10_000,
    "fork-exit": 40,
    "fork-exec": 20,
    "pipe": 300,
    "switch": 800,
    "signal": 700,
    "page-fault": 64 * 12,
    "open": 400,
    "read": 2000,
    "write": 2000,
}
"""The operations (guest-images/payloads/system_cost.c), and how often a round has each.

A round takes some four milliseconds of the guest, in which the timer ticks as often."""

Count = Callable[[str, int, int], list[int]]
CountStarter = Callable[[], AbstractContextManager[Count]]
"""Starts a machine and yields a function that counts, as `instruction_clock` does."""


@dataclass(frozen=True)
class OperationCost:
    """One operation: the instructions that it takes on the two machines of each pair."""

    name: str
    stock: tuple[float, ...]
    series: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """What it takes with the series, as a multiple of the stock kernel, for each pair."""
        return [one / other for one, other in zip(self.series, self.stock, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios."""
        return median(self.ratios)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true ratio lies, with `CONFIDENCE`."""
        return sign_interval(self.ratios)

    @property
    def is_within(self) -> bool | None:
        """Whether it keeps to `LIMIT`; None if the interval has it inside."""
        return keeps_to(LIMIT, self.interval)

    def __str__(self) -> str:
        """Return the line that `bench` prints."""
        low, high = self.interval
        said = {
            True: f"within {LIMIT:.2f}",
            False: f"MORE than {LIMIT:.2f}",
            None: f"not decided against {LIMIT:.2f}: take more -n",
        }[self.is_within]
        return (
            f"{self.name:<12} {STOCK} {median(self.stock):9.0f}  "
            f"{SERIES} {median(self.series):9.0f} instructions  "
            f"ratio {self.ratio:.4f} ({low:.4f} to {high:.4f}), {said}"
        )

    def figures(self) -> OperationFigures:
        """Return the operation's entry in the file of figures."""
        low, high = self.interval
        return OperationFigures(
            name=self.name,
            stock_instructions=median(self.stock),
            series_instructions=median(self.series),
            ratio=self.ratio,
            ratio_low=low,
            ratio_high=high,
            confidence=CONFIDENCE,
            limit=LIMIT,
            is_within=self.is_within,
            pairs=tuple(zip(self.stock, self.series, strict=True)),
        )


def system_cost(
    stock: CountStarter,
    series: CountStarter,
    *,
    pairs: int = PAIRS,
    operations: Mapping[str, int] = OPERATIONS,
    progress: Callable[[str], None],
) -> list[OperationCost]:
    """Count each operation on `pairs` pairs of machines.

    Raises UserError for too few pairs, or a machine that was lost or does as it should not:
    CutShort if enough pairs were counted before.
    """
    check_pairs(pairs)
    counted: list[tuple[dict[str, float], dict[str, float]]] = []
    pace = Pace(pairs)
    try:
        for number in range(pairs):
            progress(f"bench: pairs of machines {pace.at(number)}")
            with ThreadPoolExecutor(2) as pool:
                pair = [pool.submit(_machine, start, operations) for start in (stock, series)]
                counted.append((pair[0].result(), pair[1].result()))
    except (VmLost, OSError) as error:
        lost = UserError(
            f"no instructions could be counted: {error}",
            hint="run the same command again; it boots machines of its own",
        )
        if len(counted) < FEWEST:
            raise lost from error
        told = f"{len(counted)} of {pairs} pairs of machines"
        raise CutShort(lost, _costs(counted, operations), measured=told) from error
    return _costs(counted, operations)


def _costs(
    counted: Sequence[tuple[Mapping[str, float], Mapping[str, float]]], operations: Iterable[str]
) -> list[OperationCost]:
    return [
        OperationCost(
            name,
            stock=tuple(one[name] for one, _ in counted),
            series=tuple(other[name] for _, other in counted),
        )
        for name in operations
    ]


def _machine(start: CountStarter, operations: Mapping[str, int]) -> dict[str, float]:
    """Return the instructions of each operation on a machine: the median of its rounds."""
    with start() as count:
        return {
            name: median(count(name, times, 1 + ROUNDS)[1:]) / times
            for name, times in operations.items()
        }
