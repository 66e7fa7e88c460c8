# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness kselftest`: the kernel's own selftests on two variants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.cli.command import Command
from harness.cli.declare import positionals
from harness.cli.options import jobs_option, line_option, results_option, rounds_option

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The options of `kselftest`."""

    names: tuple[str, ...] = positionals(
        metavar="NAME", help="a collection of selftests or a single program (default: all)"
    )
    rounds: int = rounds_option(
        "times a program runs on each variant if its results differ (default: 5)", 5
    )
    jobs: int = jobs_option(1)
    results: Path = results_option()
    line: str = line_option()


def run(options: Options) -> int:
    """Print the report; return 1 if a test fails only on `isolated`. Raises UserError."""
    from harness.host.output_paths import check_results_root
    from harness.kselftest.command import compare_variants
    from harness.kselftest.programs import check_names
    from harness.report.kselftest import has_regression, print_comparison
    from harness.report.terminal import console, progress_line

    check_results_root(options.results)
    check_names(options.names)
    out = console()
    with progress_line(out) as progress:
        report = compare_variants(
            options.line,
            options.names,
            rounds=options.rounds,
            jobs=options.jobs,
            root=options.results,
            progress=progress,
        )
    print_comparison(out, report)
    return 1 if has_regression(report.compared) else 0


COMMAND = Command(
    "kselftest",
    "run the kernel's own selftests on `baseline` and on `isolated`, and compare the results",
    "Exit status: 1 if a test is worse on `isolated`, else 0.",
    Options,
    run,
    examples={
        "kselftest": "run all collections of selftests",
        "kselftest pidfd seccomp": "run two collections",
        "kselftest seccomp -n 10": "run a program with different results ten times",
    },
)
