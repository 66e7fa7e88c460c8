# SPDX-License-Identifier: GPL-2.0-only
"""Two variants' results side by side: what counts as a regression, and what is repeated."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.host.errors import UserError
from harness.kselftest.command import SelftestReport, passes
from harness.kselftest.compare import AFTER, BEFORE, Difference, compare_programs, difference_of
from harness.kselftest.guest import MACHINE
from harness.kselftest.ktap import EXIT, KtapOutcome, TestResult
from harness.kselftest.programs import Selftest
from harness.report.kselftest import has_regression, print_comparison, summary
from harness.report.terminal import console

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.kselftest.compare import ProgramComparison, Results

P, S, F, M = KtapOutcome.PASS, KtapOutcome.SKIP, KtapOutcome.FAIL, KtapOutcome.MISSING
PROGRAM = Selftest("pidfd/pidfd_test")


@pytest.mark.parametrize(
    ("before", "after", "state"),
    [
        ([P], [P], Difference.SAME),
        ([F], [F], Difference.SAME),
        ([S], [S], Difference.SAME),
        ([P], [F], Difference.REGRESSION),
        ([P], [S], Difference.REGRESSION),
        ([S], [F], Difference.REGRESSION),
        ([P], [M], Difference.REGRESSION),
        ([F], [M], Difference.REGRESSION),
        ([M], [P], Difference.REGRESSION),  # a test that only one side knows proves nothing
        ([F], [P], Difference.BETTER),
        ([M] * 3, [F, M, F], Difference.REGRESSION),
        ([M] * 3, [F, M, M], Difference.FLAKY),  # the name of a failure that came once
        ([P] * 3, [F] * 3, Difference.REGRESSION),
        ([P] * 3, [F, F, P], Difference.REGRESSION),
        ([P] * 3, [F, P, P], Difference.FLAKY),
        ([P, P, F], [F] * 3, Difference.FLAKY),
        ([P, F, P], [P] * 3, Difference.FLAKY),
        ([M, P, P], [P] * 3, Difference.FLAKY),
        ([F] * 3, [P] * 3, Difference.BETTER),
    ],
)
def test_what_the_outcomes_come_to(
    before: list[KtapOutcome], after: list[KtapOutcome], state: Difference
) -> None:
    assert difference_of(before, after) is state


def scripted(
    results: Callable[[str, int], dict[str, KtapOutcome]], *, rounds: int = 3
) -> tuple[ProgramComparison, list[tuple[str, int]]]:
    """Compare a program that gives these results by variant and round; and the runs made."""
    runs: list[tuple[str, int]] = []

    def run(program: Selftest, variant: str, number: int) -> Results:
        assert program is PROGRAM
        runs.append((variant, number))
        return {name: TestResult(o, "why") for name, o in results(variant, number).items()}

    said: list[str] = []
    [one] = compare_programs([PROGRAM], run, rounds=rounds, jobs=1, progress=said.append)
    assert len(said) == len(runs)
    return one, runs


def test_what_is_alike_is_run_once() -> None:
    one, runs = scripted(lambda *_: {"a": P, "b": F})
    assert runs == [(BEFORE, 1), (AFTER, 1)]
    assert not has_regression([one])


def test_what_is_unlike_is_run_in_all_rounds() -> None:
    one, runs = scripted(lambda variant, number: {"a": F if (variant, number) == (AFTER, 1) else P})
    assert runs == [(variant, number) for number in (1, 2, 3) for variant in (BEFORE, AFTER)]
    assert one.difference("a") is Difference.FLAKY
    assert not has_regression([one])


def test_what_stays_worse_is_a_regression() -> None:
    one, _ = scripted(lambda variant, _: {"a": F if variant == AFTER else P, "b": P})
    assert list(one.with_difference(Difference.REGRESSION)) == ["a"]
    assert has_regression([one])


@pytest.mark.parametrize("silent", [BEFORE, AFTER])
def test_a_test_that_is_missing_on_one_side_is_a_regression(silent: str) -> None:
    one, _ = scripted(lambda variant, _: {"b": P} if variant == silent else {"a": P, "b": P})
    assert one.difference("a") is Difference.REGRESSION
    assert one.difference("b") is Difference.SAME


def test_an_error_ends_the_comparison() -> None:
    def run(*_: object) -> Results:
        raise UserError("no room", hint="make some")

    with pytest.raises(UserError, match="no room"):
        compare_programs([PROGRAM] * 3, run, rounds=1, jobs=2, progress=lambda _: None)


def printed(one: ProgramComparison) -> str:
    out = io.StringIO()
    unable = Selftest("cgroup/test_stress.sh", "needs /bin/bash")
    lacking = {"pidfd": ["USER_NS"], "cgroup": []}
    modules = {BEFORE: "capability,umd", AFTER: "capability,umd"}
    print_comparison(console(out), SelftestReport([one], [unable], modules, lacking, Path("kept")))
    return out.getvalue()


def test_the_report_hides_nothing() -> None:
    def results(variant: str, number: int) -> dict[str, KtapOutcome]:
        isolated = variant == AFTER
        return {
            "worse": F if isolated else P,
            "flaky": F if isolated and number == 2 else P,
            "better": P if isolated else F,
            "fails": F,
            "skips": S,
            "\x1b[2Jpasses": P,
        }

    text = printed(scripted(results)[0])
    assert "pidfd/pidfd_test worse: baseline 3 x pass (why), isolated 3 x fail (why)" in text
    assert "pidfd/pidfd_test flaky: baseline 3 x pass (why), isolated 2 x pass (why)" in text
    assert "pidfd/pidfd_test better: baseline 3 x fail (why), isolated 3 x pass (why)" in text
    assert "fails on both (1):\n  pidfd/pidfd_test fails: why" in text
    assert "skipped on both (1):\n  pidfd/pidfd_test skips: why" in text
    assert "cannot run (1):\n  cgroup/test_stress.sh: needs /bin/bash" in text
    counted = "first round: 3 passed, 2 failed, 1 skipped; security modules capability,umd"
    assert f"baseline, {counted}" in text
    assert f"isolated, {counted}" in text
    assert "the kernel lacks (1):\n  pidfd: USER_NS\n" in text
    assert "\x1b" not in text


def test_tests_that_are_skipped_for_one_reason_are_counted() -> None:
    text = printed(scripted(lambda *_: {"a": S, "b": S, "c": P})[0])
    assert "skipped on both (2):\n  pidfd/pidfd_test 2 tests: why\n" in text


def test_two_guests_that_are_broken_alike_pass_nothing() -> None:
    assert not passes([scripted(lambda *_: {MACHINE: P, EXIT: F, "a": S})[0]])
    assert not passes([scripted(lambda variant, _: {"a": P if variant == AFTER else F})[0]])
    assert not passes([])
    assert passes([scripted(lambda *_: {MACHINE: F, "a": P})[0]])


def test_the_summary_counts() -> None:
    one, _ = scripted(lambda variant, _: {"a": P, "b": F if variant == AFTER else P})
    assert summary([one], []) == (
        "2 tests: 1 the same, 1 regression, 0 flaky, 0 better; 1 program run, 0 that cannot"
    )
