# SPDX-License-Identifier: GPL-2.0-only
"""What a selftest said, by its output in KTAP and its exit status."""

from __future__ import annotations

import signal

import pytest

from harness.kselftest.ktap import EXIT, PLAN, KtapOutcome, parse_ktap

EXITED = {code: code << 8 for code in range(5)}
"""Wait statuses by exit status."""


def outcomes(output: str, status: int | None = 0) -> dict[str, KtapOutcome]:
    return {name: result.outcome for name, result in parse_ktap(output, status).items()}


def test_a_fixture_program() -> None:
    output = """TAP version 13
1..3
# Starting 3 tests from 2 test cases.
#  RUN           global.mode_strict_support ...
#            OK  global.mode_strict_support
ok 1 global.mode_strict_support
# seccomp_bpf.c:400:kcmp:Expected 0 (0) == ret (-1)
not ok 2 global.kcmp
ok 3 global.user_notification # SKIP kernel missing CLONE_NEWUSER support
# Totals: pass:1 fail:1 xfail:0 xpass:0 skip:1 error:0
"""
    results = parse_ktap(output, EXITED[1])
    assert {name: result.outcome for name, result in results.items()} == {
        "global.mode_strict_support": KtapOutcome.PASS,
        "global.kcmp": KtapOutcome.FAIL,
        "global.user_notification": KtapOutcome.SKIP,
        EXIT: KtapOutcome.FAIL,
    }
    assert results["global.kcmp"].reason == "seccomp_bpf.c:400:kcmp:Expected 0 (0) == ret (-1)"
    assert results["global.user_notification"].reason == "SKIP kernel missing CLONE_NEWUSER support"
    assert results[EXIT].reason == "exit status 1"


def test_a_skipped_test_may_have_its_name_behind_the_directive() -> None:
    assert outcomes("1..1\nok 1 # SKIP test_memcg_swap_max\n") == {
        "test_memcg_swap_max": KtapOutcome.SKIP,
        EXIT: KtapOutcome.PASS,
    }


@pytest.mark.parametrize(
    ("line", "name", "outcome"),
    [
        ("ok 1 - with a dash", "with a dash", KtapOutcome.PASS),
        ("ok 1", "test 1", KtapOutcome.PASS),
        ("not ok 7 # error 3", "3", KtapOutcome.FAIL),
        ("not ok 1 known # XFAIL as ever", "known", KtapOutcome.SKIP),
        ("not ok 1 later # TODO", "later", KtapOutcome.SKIP),
        ("ok 1 skipped # skip in small letters", "skipped", KtapOutcome.SKIP),
        (
            "ok 1 reaping a child with 2MB of memory",
            "reaping a child with NMB of memory",
            KtapOutcome.PASS,
        ),
        ("ok 1 2GB mremap", "2GB mremap", KtapOutcome.PASS),
        ("ok 1 issue #12", "issue #12", KtapOutcome.PASS),
        ("  ok 1 nested", "nested", KtapOutcome.PASS),
    ],
)
def test_a_line(line: str, name: str, outcome: KtapOutcome) -> None:
    assert outcomes(line) == {name: outcome, EXIT: KtapOutcome.PASS}


@pytest.mark.parametrize("line", ["# ok 1 another program's", "okay 1", "nothing", "", "ok1"])
def test_no_line_of_a_test(line: str) -> None:
    assert outcomes(line) == {EXIT: KtapOutcome.PASS}


def test_a_name_that_comes_again_hides_no_failure() -> None:
    found = outcomes("ok 1 same\nnot ok 2 same\n")
    assert found == {"same": KtapOutcome.PASS, "same (2)": KtapOutcome.FAIL, EXIT: KtapOutcome.PASS}


def test_tests_that_were_planned_and_said_nothing() -> None:
    results = parse_ktap("1..3\nok 1 first\n", EXITED[0])
    assert results[PLAN].outcome is KtapOutcome.FAIL
    assert results[PLAN].reason == "1 of 3 tests gave a result"


def test_the_plans_of_several_programs_add_up() -> None:
    assert PLAN not in outcomes("1..1\nok 1 a\n1..2\nok 1 b\nok 2 c\n")


def test_a_nested_test_is_not_one_of_those_planned() -> None:
    assert PLAN not in outcomes("1..1\n  ok 1 inner\nok 1 outer\n")


def test_a_program_that_is_skipped_as_a_whole() -> None:
    assert outcomes("1..0 # SKIP all tests require euid == 0\n", EXITED[4]) == {
        EXIT: KtapOutcome.SKIP
    }
    assert outcomes("1..4\n", EXITED[4]) == {EXIT: KtapOutcome.SKIP}


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        (EXITED[0], KtapOutcome.PASS, ""),
        (EXITED[1], KtapOutcome.FAIL, "exit status 1"),
        (EXITED[2], KtapOutcome.SKIP, "exit status 2"),
        (EXITED[3], KtapOutcome.FAIL, "exit status 3"),
        (EXITED[4], KtapOutcome.SKIP, "exit status 4"),
        (signal.SIGSEGV, KtapOutcome.FAIL, "died of SIGSEGV"),
        (40, KtapOutcome.FAIL, "died of signal 40"),
        (None, KtapOutcome.FAIL, "it did not end before its deadline"),
    ],
)
def test_a_program_that_says_nothing(status: int | None, outcome: KtapOutcome, reason: str) -> None:
    [(name, result)] = parse_ktap("", status).items()
    assert (name, result.outcome, result.reason) == (EXIT, outcome, reason)


def test_what_was_said_of_one_test_is_no_reason_for_another() -> None:
    results = parse_ktap("# a: went wrong\nok 1 a\nnot ok 2 b\n# c: is why\nnot ok 3 c\n", 0)
    assert [results[name].reason for name in "abc"] == ["", "", "c: is why"]
