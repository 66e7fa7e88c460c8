# SPDX-License-Identifier: GPL-2.0-only
"""The comparison of both variants' results: a test that passes on one must pass on the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING

from harness.host.children import kill_children
from harness.host.pace import Pace
from harness.kselftest.ktap import KtapOutcome, TestResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from harness.kselftest.programs import Selftest

    Results = Mapping[str, TestResult]
    Run = Callable[[Selftest, str, int], Results]
    """From a program, a variant and the round (from 1) to the tests' results."""

BEFORE, AFTER = "baseline", "isolated"
"""The variants that are compared."""

_ABSENT = TestResult(KtapOutcome.MISSING)


class Difference(Enum):
    """The result of the comparison for one test."""

    SAME = "same"
    BETTER = "better"
    FLAKY = "flaky"
    REGRESSION = "regression"


@dataclass
class ProgramComparison:
    """A program's rounds on both variants, in order."""

    program: Selftest
    before: list[Results] = field(default_factory=list)
    after: list[Results] = field(default_factory=list)

    @property
    def tests(self) -> list[str]:
        """The tests that one of the variants reported, in their order."""
        every = [*self.before, *self.after]
        return list(dict.fromkeys(name for results in every for name in results))

    def outcomes(self, test: str) -> tuple[list[TestResult], list[TestResult]]:
        """Return a test's results on both variants, one per round; an absent one is missing."""
        return (
            [results.get(test, _ABSENT) for results in self.before],
            [results.get(test, _ABSENT) for results in self.after],
        )

    def difference(self, test: str) -> Difference:
        """Judge one test."""
        before, after = self.outcomes(test)
        return difference_of([r.outcome for r in before], [r.outcome for r in after])

    def with_difference(self, state: Difference) -> Iterator[str]:
        """Yield the tests that have this state."""
        return (test for test in self.tests if self.difference(test) is state)


def difference_of(before: Sequence[KtapOutcome], after: Sequence[KtapOutcome]) -> Difference:
    """Judge a test by its outcomes in all rounds.

    It is a regression if most rounds on the second variant were worse than every round on the
    first, or if they reported a test that the first variant never reported. Otherwise a test whose
    outcomes differ on one variant is flaky.
    """
    unknown = set(before) == {KtapOutcome.MISSING}
    worse = sum(
        outcome is not KtapOutcome.MISSING if unknown else outcome > max(before)
        for outcome in after
    )
    if 2 * worse > len(after):
        return Difference.REGRESSION
    if len(set(before)) > 1 or len(set(after)) > 1:
        return Difference.FLAKY
    return Difference.SAME if before[0] is after[0] else Difference.BETTER


def compare_programs(
    programs: Sequence[Selftest],
    run: Run,
    *,
    rounds: int,
    jobs: int,
    progress: Callable[[str], None],
) -> list[ProgramComparison]:
    """Run each program once on both variants, and `rounds` times if a test's outcomes differ.

    `jobs` run at once. Raises UserError.
    """
    compared = {program: ProgramComparison(program) for program in programs}
    _rounds(compared, run, [1], jobs=jobs, progress=progress)
    unlike = {
        program: one
        for program, one in compared.items()
        if any(one.difference(test) is not Difference.SAME for test in one.tests)
    }
    _rounds(unlike, run, range(2, rounds + 1), jobs=jobs, progress=progress)
    return list(compared.values())


def _rounds(
    compared: Mapping[Selftest, ProgramComparison],
    run: Run,
    numbers: Sequence[int],
    *,
    jobs: int,
    progress: Callable[[str], None],
) -> None:
    todo = [
        (one, variant, number)
        for number in numbers
        for one in compared.values()
        for variant in (BEFORE, AFTER)
    ]

    pace, started, counting = Pace(len(todo)), count(), Lock()

    def work(item: tuple[ProgramComparison, str, int]) -> Results:
        one, variant, number = item
        again = f", round {number}" if number > 1 else ""
        with counting:
            so_far = pace.at(next(started))
        progress(f"kselftest: {so_far}, {one.program.name} on {variant}{again}")
        return run(one.program, variant, number)

    pool = ThreadPoolExecutor(max_workers=jobs)
    try:
        for (one, variant, _), results in zip(todo, pool.map(work, todo), strict=True):
            (one.before if variant == BEFORE else one.after).append(results)
    except BaseException:
        # Do not wait for minutes until the running programs end: no result is needed any more.
        pool.shutdown(wait=False, cancel_futures=True)
        kill_children()
        raise
    finally:
        pool.shutdown()
