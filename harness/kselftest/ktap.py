# SPDX-License-Identifier: GPL-2.0-only
"""A selftest's results: its KTAP output (Documentation/dev-tools/ktap.rst) and its exit status."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum

from harness.vm.process import signal_name

EXIT = "(exit status)"
"""The name of the program's own result: some programs print no KTAP."""
PLAN = "(plan)"
"""The name of the result for the number of tests that a program planned."""

_TEST = re.compile(r"\s*(?P<word>ok|not ok)\b\s*(?P<number>\d+)?\s*(?:- )?(?P<rest>.*)")
_DIRECTIVE = re.compile(r"\s*#\s*(?P<word>SKIP|XFAIL|TODO|XPASS|error|TIMEOUT)\b:?", re.IGNORECASE)
_PLANNED = re.compile(r"1\.\.(?P<count>\d+)\b")
_COMMENT = re.compile(r"#\s+(?P<text>\S.*)")
_PASSING = re.compile(r"^#\s+(RUN|OK|FAIL|\[RUN\]|Starting)\b|: Test (terminated|failed)|Totals:")
"""Comments by kselftest_harness.h that give no reason for a failure."""
_MEASURED = re.compile(r"\d+(?=[kMG]B of )")
"""A measured size in the name of a test (mm/mrelease_test)."""
_NOT_COUNTED = frozenset({"SKIP", "XFAIL", "TODO"})
_XFAIL, _SKIP = 2, 4  # exit statuses of tools/testing/selftests/kselftest.h


class KtapOutcome(IntEnum):
    """The outcome of one test, from the best to the worst."""

    PASS = 0
    SKIP = 1
    FAIL = 2
    MISSING = 3

    def __str__(self) -> str:
        """Return the word that the report prints."""
        return self.name.lower()


@dataclass(frozen=True)
class TestResult:
    """One test's outcome, and its reason if the test gave one."""

    __test__ = False  # or pytest takes the class for a test

    outcome: KtapOutcome
    reason: str = ""


def parse_ktap(output: str, status: int | None) -> dict[str, TestResult]:
    """Return the results by the tests' names. A repeated name gets a number.

    `status` is the wait status of the program, or None if it was killed at its deadline. The lines
    of nested tests count like others. Lines that begin with `#` do not count, but the last one may
    give the reason why the next test failed.
    """
    results: dict[str, TestResult] = {}
    seen: Counter[str] = Counter()
    planned: int | None = None
    numbered, said = 0, ""
    for line in output.splitlines():
        if found := _PLANNED.match(line):
            planned = (planned or 0) + int(found["count"])  # a script may run several programs
        elif found := _TEST.match(line):
            numbered += not line[0].isspace()
            name, result = _test(found["word"] == "ok", found["rest"].strip(), said)
            said = ""
            name = _MEASURED.sub("N", name) or f"test {found['number']}"
            seen[name] += 1
            results[name if seen[name] == 1 else f"{name} ({seen[name]})"] = result
        elif (found := _COMMENT.match(line)) and not _PASSING.search(line):
            said = found["text"]
    ended = _exit(status)
    if planned is not None and numbered != planned and ended.outcome is not KtapOutcome.SKIP:
        results[PLAN] = TestResult(KtapOutcome.FAIL, f"{numbered} of {planned} tests gave a result")
    return {**results, EXIT: ended}


def _test(is_ok: bool, rest: str, said: str) -> tuple[str, TestResult]:
    """Return a test's name and result from the text after its number; `said` is its reason to fail.

    kselftest.h writes the name of a skipped test after the directive.
    """
    outcome = KtapOutcome.PASS if is_ok else KtapOutcome.FAIL
    found = _DIRECTIVE.search(rest)
    if found is None:
        return rest, TestResult(outcome, "" if is_ok else said)
    name, reason = rest[: found.start()], rest[found.end() :].strip()
    word = found["word"].upper()
    if word in _NOT_COUNTED:
        outcome = KtapOutcome.SKIP
    return name or reason, TestResult(outcome, f"{word} {reason}".strip())


def _exit(status: int | None) -> TestResult:
    if status is None:
        return TestResult(KtapOutcome.FAIL, "it did not end before its deadline")
    if os.WIFSIGNALED(status):
        return TestResult(KtapOutcome.FAIL, f"died of {signal_name(-os.WTERMSIG(status))}")
    code = os.WEXITSTATUS(status)
    if code in (_XFAIL, _SKIP):
        return TestResult(KtapOutcome.SKIP, f"exit status {code}")
    return (
        TestResult(KtapOutcome.FAIL, f"exit status {code}")
        if code
        else TestResult(KtapOutcome.PASS)
    )
