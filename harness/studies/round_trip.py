# SPDX-License-Identifier: GPL-2.0-only
"""The cost of isolation: a round trip of 4 KiB on `isolated`, compared with `baseline`.

Machines are compared in pairs, one of each variant, both running and taking turns: what slows the
host down meets both. It only ever adds to a trip, so a machine's figure is the first decile of its
trips; what the medians give, which on a busy host are its noise, is told beside it. Each pair has a
ratio, and the middle one of all is the result. Its interval goes from one of the pairs' ratios to
another, by the sign test: no shape of their distribution is assumed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from math import comb
from statistics import median, quantiles
from typing import TYPE_CHECKING

from harness.host.errors import UserError, VmLost
from harness.host.pace import Pace
from harness.results.bench_figures import PairFigures, RoundTripFigures
from harness.studies.cut_short import CutShort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.run.cell_runner import TripTimer

BASELINE, ISOLATED = "baseline", "isolated"

LIMIT = 1.10
"""How many times a trip on `baseline` one on `isolated` may take."""

PAIRS = 15
FEWEST = 6
"""Pairs of machines: with fewer, no interval has the confidence."""

CONFIDENCE = 0.95
"""How sure it is, at least, that the true middle ratio lies in the interval."""

WARM_TRIPS = 500
"""Trips of each machine that are not counted: a handler starts, and QEMU translates."""

TURNS, TRIPS = 10, 200
"""Turns of each machine, and how many trips one takes."""

TripClock = Callable[[], AbstractContextManager[Callable[[int], list[int]]]]
"""Starts a machine and yields a function that times trips, as TripTimer.trip_clock does."""


@dataclass(frozen=True)
class Pair:
    """Microseconds of every round trip of two machines that took turns.

    They are a machine of `baseline`, or of `isolated` with a defence left out, and of `isolated`.
    """

    baseline: tuple[int, ...]
    isolated: tuple[int, ...]

    @property
    def ratio(self) -> float:
        """What a trip on `isolated` takes, as a multiple of one on `baseline`."""
        return calm(self.isolated) / calm(self.baseline)

    @property
    def ratio_of_medians(self) -> float:
        """The same of the median trips."""
        return median(self.isolated) / median(self.baseline)

    def figures(self) -> PairFigures:
        """Return the pair's entry in the file of figures."""
        return PairFigures(
            baseline_us=calm(self.baseline),
            isolated_us=calm(self.isolated),
            baseline_median_us=median(self.baseline),
            isolated_median_us=median(self.isolated),
            ratio=self.ratio,
            ratio_of_medians=self.ratio_of_medians,
        )


@dataclass(frozen=True)
class RoundTrip:
    """What all pairs gave; times are in microseconds."""

    pairs: tuple[Pair, ...]

    @property
    def ratio(self) -> float:
        """The middle one of the pairs' ratios."""
        return median(pair.ratio for pair in self.pairs)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true ratio lies, with `CONFIDENCE`."""
        return sign_interval([pair.ratio for pair in self.pairs])

    @property
    def ratio_of_medians(self) -> float:
        """The middle one of the ratios of the pairs' medians."""
        return median(pair.ratio_of_medians for pair in self.pairs)

    @property
    def interval_of_medians(self) -> tuple[float, float]:
        """Where the true ratio of medians lies, with `CONFIDENCE`."""
        return sign_interval([pair.ratio_of_medians for pair in self.pairs])

    @property
    def is_within(self) -> bool | None:
        """Whether isolation keeps to `LIMIT`; None if the interval has it inside."""
        return keeps_to(LIMIT, self.interval)

    @property
    def baseline(self) -> float:
        """Microseconds of a trip on `baseline`."""
        return median(calm(pair.baseline) for pair in self.pairs)

    @property
    def isolated(self) -> float:
        """Microseconds of a trip on `isolated`."""
        return median(calm(pair.isolated) for pair in self.pairs)

    def __str__(self) -> str:
        """Return the lines that `bench` prints."""
        low, high = self.interval
        median_low, median_high = self.interval_of_medians
        trips = len(self.pairs[0].baseline)
        limit = {
            True: f"within {LIMIT:.2f}",
            False: f"MORE than {LIMIT:.2f}",
            None: f"not decided against {LIMIT:.2f}: take more -n, or a calmer host",
        }[self.is_within]
        return (
            f"{'round trip of 4 KiB':<32} {ISOLATED} {self.isolated:.0f} us  "
            f"{BASELINE} {self.baseline:.0f} us  ratio {self.ratio:.3f} "
            f"({low:.3f} to {high:.3f}), {limit}\n"
            f"{'':<32} {len(self.pairs)} pairs of machines, {trips} trips each; first deciles; "
            f"by medians {self.ratio_of_medians:.3f}, {median_low:.3f} to {median_high:.3f}"
        )

    def figures(self) -> RoundTripFigures:
        """Return the `round_trip` of the file of figures."""
        low, high = self.interval
        median_low, median_high = self.interval_of_medians
        return RoundTripFigures(
            bytes=4096,
            baseline_us=self.baseline,
            isolated_us=self.isolated,
            ratio=self.ratio,
            ratio_low=low,
            ratio_high=high,
            confidence=CONFIDENCE,
            limit=LIMIT,
            is_within=self.is_within,
            ratio_of_medians=self.ratio_of_medians,
            ratio_of_medians_low=median_low,
            ratio_of_medians_high=median_high,
            trips_per_machine=len(self.pairs[0].baseline),
            pairs=tuple(pair.figures() for pair in self.pairs),
        )


def calm(times: Sequence[float]) -> float:
    """Return the time of a trip that the host let go by: the first decile of all.

    Raises UserError if the guest's clock is too coarse for it: on a busy host, a kernel may come to
    doubt the processor's counter.
    """
    if not (found := quantiles(times, n=10)[0]):
        raise UserError(
            "the clock of the guest is too coarse to time a trip",
            hint="measure again while the host is less busy",
        )
    return found


def sign_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the narrowest interval of two of the values, as far from either end, that has the
    median of what they are drawn from with `CONFIDENCE`.

    ValueError if there are so few that none has.
    """
    ordered = sorted(values)
    outside = 0.0  # the chance that the median lies beyond the ends
    cut = 0
    while cut < len(ordered) // 2:
        outside += 2 * comb(len(ordered), cut) / 2 ** len(ordered)
        if outside > 1 - CONFIDENCE:
            break
        cut += 1
    if not cut:
        raise ValueError(f"{len(ordered)} values are too few")
    return ordered[cut - 1], ordered[-cut]


def keeps_to(limit: float, interval: tuple[float, float]) -> bool | None:
    """Whether the whole interval keeps to a limit; None if the interval has it inside."""
    low, high = interval
    if low > limit:
        return False
    return True if high <= limit else None


def round_trip(
    lab: TripTimer,
    *,
    pairs: int = PAIRS,
    turns: int = TURNS,
    trips: int = TRIPS,
    progress: Callable[[str], None],
) -> RoundTrip:
    """Time round trips on `pairs` pairs of machines, each taking `turns` of `trips`.

    Raises UserError for too few pairs, or a machine that was lost or does as it should not:
    CutShort if so many pairs were timed before that they have an interval.
    """
    check_pairs(pairs)
    clocks = partial(lab.trip_clock, BASELINE), partial(lab.trip_clock, ISOLATED)
    measured: list[Pair] = []
    pace = Pace(pairs)
    for number in range(pairs):
        progress(f"bench: round trips {pace.at(number)}")
        try:
            pair = time_pair(*clocks, turns=turns, trips=trips)
            pair.figures()  # a clock may be too coarse for them
        except UserError as error:
            if not measured:
                raise
            told = f"{number} of {pairs} pairs of machines"
            if number < FEWEST:
                ratios = ", ".join(f"{one.ratio:.3f}" for one in measured)
                what = f"{error.message}; the ratios of {told}: {ratios}"
                raise UserError(what, hint=error.hint) from error
            raise CutShort(error, RoundTrip(tuple(measured)), measured=told) from error
        measured.append(pair)
    return RoundTrip(tuple(measured))


def check_pairs(pairs: int, what: str = "pairs of machines") -> None:
    """Raise UserError for too few pairs of machines, or of what else is measured."""
    if pairs < FEWEST:
        raise UserError(f"{pairs} {what} are too few", hint=f"take -n {FEWEST} or more")


def time_pair(
    baseline: TripClock, isolated: TripClock, *, turns: int = TURNS, trips: int = TRIPS
) -> Pair:
    """Time round trips on two machines that take turns.

    Raises UserError for a machine that was lost or does as it should not.
    """
    times: list[list[int]] = [[], []]
    try:
        with ExitStack() as stack:
            clocks = [stack.enter_context(start()) for start in (baseline, isolated)]
            for make in clocks:
                make(WARM_TRIPS)
            order = list(zip(times, clocks, strict=True))
            for _ in range(turns):
                for made, make in order:
                    made += make(trips)
                order.reverse()
    except (VmLost, OSError) as error:
        raise UserError(
            f"no round trips could be timed: {error}",
            hint="see whether the handlers answer: umd-harness run -k nothing",
        ) from error
    return Pair(tuple(times[0]), tuple(times[1]))
