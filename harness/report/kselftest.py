# SPDX-License-Identifier: GPL-2.0-only
"""The comparison of selftests as text: programs, differences, and programs that cannot run."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from harness.kselftest.compare import AFTER, BEFORE, Difference, ProgramComparison
from harness.kselftest.ktap import KtapOutcome, TestResult
from harness.report.text import plural, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from harness.kselftest.command import SelftestReport
    from harness.kselftest.programs import Selftest

_STYLES = {
    Difference.REGRESSION: "bold red",
    Difference.FLAKY: "yellow",
    Difference.BETTER: "cyan",
    Difference.SAME: "green",
}
_COUNTED = (KtapOutcome.PASS, KtapOutcome.FAIL, KtapOutcome.SKIP)
_MEANING = {
    Difference.REGRESSION: f"worse on {AFTER}",
    Difference.FLAKY: "not the same in every round",
    Difference.BETTER: f"worse on {BEFORE}",
}


def print_comparison(out: Console, report: SelftestReport) -> None:
    """Print the table, the differences, the tests that are skipped or fail, and the totals."""
    compared, unable = report.compared, report.unable
    out.print(_table(compared))
    for state in (Difference.REGRESSION, Difference.FLAKY, Difference.BETTER):
        _print_list(out, _MEANING[state], list(_unlike(compared, state)), _STYLES[state])
    for outcome, meaning in (
        (KtapOutcome.FAIL, "fails on both"),
        (KtapOutcome.SKIP, "skipped on both"),
    ):
        alike = _alike(compared, outcome)
        _print_list(out, meaning, [line for line, _ in alike], "", sum(many for _, many in alike))
    reasons = [f"{program.name}: {program.obstacle}" for program in unable]
    _print_list(out, "cannot run", reasons, "")
    options = [f"{name}: {', '.join(lacks)}" for name, lacks in report.lacking.items() if lacks]
    _print_list(out, "options that a collection asks for and the kernel lacks", options, "")
    for variant in (BEFORE, AFTER):
        modules = f"security modules {visible(report.modules[variant])}"
        out.print(f"{_sum(compared, variant)}; {modules}", soft_wrap=True)
    out.print(f"output: {report.kept}", soft_wrap=True)
    out.print(summary(compared, unable))


def summary(compared: Sequence[ProgramComparison], unable: Sequence[Selftest]) -> str:
    """Return the last line: the numbers of tests, of differences, and of programs."""
    states = Counter(one.difference(test) for one in compared for test in one.tests)
    parts = [
        f"{states[Difference.SAME]} the same",
        plural(states[Difference.REGRESSION], "regression"),
    ]
    parts += [f"{states[Difference.FLAKY]} flaky", f"{states[Difference.BETTER]} better"]
    programs = f"{plural(len(compared), 'program')} run, {len(unable)} that cannot"
    return f"{plural(states.total(), 'test')}: {', '.join(parts)}; {programs}"


def has_regression(compared: Sequence[ProgramComparison]) -> bool:
    """Whether a test is a regression on the second variant."""
    return any(any(one.with_difference(Difference.REGRESSION)) for one in compared)


def _table(compared: Sequence[ProgramComparison]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("program", no_wrap=True)
    for variant in (BEFORE, AFTER):
        table.add_column(f"{variant}: pass, fail, skip", justify="right")
    table.add_column("rounds", justify="right")
    table.add_column("comparison")
    for one in compared:
        states = Counter(map(one.difference, one.tests))
        said = [
            Text(f"{count} {state.value}", style=_STYLES[state]) for state, count in states.items()
        ]
        counts = [_counts(_first(one, variant)) for variant in (BEFORE, AFTER)]
        rounds = str(len(one.before))
        table.add_row(one.program.name, *counts, rounds, Text(", ").join(said))
    return table


def _first(one: ProgramComparison, variant: str) -> Counter[KtapOutcome]:
    """Count the outcomes of a program's first round on a variant."""
    results = (one.before if variant == BEFORE else one.after)[0]
    return Counter(results[test].outcome for test in one.tests if test in results)


def _counts(counted: Counter[KtapOutcome]) -> str:
    return "  ".join(f"{counted[outcome]:>3}" for outcome in _COUNTED)


def _sum(compared: Sequence[ProgramComparison], variant: str) -> str:
    total: Counter[KtapOutcome] = Counter()
    for one in compared:
        total += _first(one, variant)
    words = ("passed", "failed", "skipped")
    counts = (f"{total[outcome]} {word}" for outcome, word in zip(_COUNTED, words, strict=True))
    return f"{variant}, first round: {', '.join(counts)}"


def _unlike(compared: Sequence[ProgramComparison], state: Difference) -> Iterator[str]:
    for one in compared:
        for test in one.with_difference(state):
            before, after = one.outcomes(test)
            yield (
                f"{one.program.name} {test}: {BEFORE} {_rounds(before)}, {AFTER} {_rounds(after)}"
            )


def _alike(compared: Sequence[ProgramComparison], outcome: KtapOutcome) -> list[tuple[str, int]]:
    """Return lines with their numbers of tests. Tests of a program with one reason share a line."""
    found = []
    for one in compared:
        named: dict[str, list[str]] = {}
        for test in one.with_difference(Difference.SAME):
            result = one.before[0][test]
            if result.outcome is outcome:
                named.setdefault(result.reason or test, []).append(test)
        for reason, tests in named.items():
            what = tests[0] if len(tests) == 1 else plural(len(tests), "test")
            why = f": {reason}" if reason != what else ""
            found.append((f"{one.program.name} {what}{why}", len(tests)))
    return found


def _rounds(results: Sequence[TestResult]) -> str:
    """Return the number of times of each outcome, with the first reason that was given."""
    reasons: dict[KtapOutcome, str] = {}
    for result in results:
        reasons[result.outcome] = reasons.get(result.outcome) or result.reason
    counted = Counter(result.outcome for result in results)
    return ", ".join(
        f"{count} x {outcome}{f' ({reasons[outcome]})' if reasons[outcome] else ''}"
        for outcome, count in sorted(counted.items())
    )


def _print_list(
    out: Console, title: str, lines: Sequence[str], style: str, count: int | None = None
) -> None:
    if lines:
        number = len(lines) if count is None else count
        out.print(Text(f"{title} ({number}):", style=style or "bold"))
    for line in lines:
        out.print(f"  {visible(line)}", soft_wrap=True)
