# SPDX-License-Identifier: GPL-2.0-only
"""What a handler for each request costs, compared with the start of any process.

Counted are instructions, whose number hardly depends on the host (harness/lab/request_clock.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Protocol

from harness.host.errors import UserError, VmLost
from harness.host.pace import Pace
from harness.studies.cut_short import CutShort
from harness.studies.round_trip import FEWEST, ISOLATED, sign_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

MACHINES = 6
TIMES, ROUNDS = 20, 5
"""Operations of a round, and rounds of a machine. The first round, in which all is new, is not
counted."""


class RequestCounter(Protocol):
    """Counts the instructions of requests on its machines."""

    def request_clock(
        self, variant: str
    ) -> AbstractContextManager[Callable[[int, int], dict[str, list[int]]]]:
        """Start a machine. Yield a function as harness/lab/request_clock.py does."""


@dataclass(frozen=True)
class FreshCost:
    """For each machine, the instructions of an operation, in the same order."""

    request: tuple[float, ...]
    fresh: tuple[float, ...]
    start: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """What a request with its own handler takes, as a multiple of the start of a process."""
        return [fresh / start for fresh, start in zip(self.fresh, self.start, strict=True)]

    def __str__(self) -> str:
        """Return the line that `bench` prints."""
        low, high = sign_interval(self.ratios)
        return (
            f"request {median(self.request):.0f}  with a handler of its own "
            f"{median(self.fresh):.0f}  fork and exec {median(self.start):.0f} instructions  "
            f"ratio {median(self.ratios):.2f} ({low:.2f} to {high:.2f})"
        )


def fresh_cost(lab: RequestCounter, *, machines: int, progress: Callable[[str], None]) -> FreshCost:
    """Count on so many machines of `isolated`.

    Raises UserError for a machine that was lost: CutShort if enough were counted before.
    """
    found: dict[str, list[float]] = {"request": [], "fresh": [], "start": []}
    pace = Pace(machines)
    for number in range(machines):
        progress(f"bench: a handler for each request {pace.at(number)}")
        try:
            with lab.request_clock(ISOLATED) as count:
                rounds = count(TIMES, ROUNDS)
        except (VmLost, OSError) as error:
            lost = UserError(
                f"no instructions could be counted: {error}",
                hint="run the same command again; it boots machines of its own",
            )
            if number < FEWEST:
                raise lost from error
            told = f"{number} of {machines} machines"
            raise CutShort(lost, _cost(found), measured=told) from error
        for name, counted in rounds.items():
            found[name].append(median(counted[1:]) / TIMES)
    return _cost(found)


def _cost(found: Mapping[str, Sequence[float]]) -> FreshCost:
    return FreshCost(*(tuple(found[name]) for name in ("request", "fresh", "start")))
