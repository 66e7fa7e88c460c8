# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness bisect`: the commit of the series that changes a verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.cli.chosen import ask, built
from harness.cli.command import Command
from harness.cli.declare import option, required
from harness.cli.options import EXPRESSION_HELP, MatrixOptions


@dataclass(frozen=True)
class Options(MatrixOptions):
    """The options of `bisect`."""

    expression: str = required("-k", metavar="EXPR", help=EXPRESSION_HELP)
    good: str | None = option(
        "--good",
        convert=str,
        default=None,
        metavar="STEP",
        help="one end of the search: a number of commits, or a part of a commit's subject "
        "(default: the last commit before your patches, or else before the isolation)",
    )
    bad: str | None = option(
        "--bad",
        convert=str,
        default=None,
        metavar="STEP",
        help="the other end; it may come first (default: the whole series)",
    )


def run(options: Options) -> int:
    """Print each step, then the commit; return 2 if steps had to be skipped. Raises UserError."""
    from harness.report.terminal import console, progress_line
    from harness.report.text import visible
    from harness.studies.bisect import Trials, bisect, check_ends, step_of
    from harness.studies.bisect_report import found_commit, story
    from harness.studies.kernel_steps import KernelSteps

    asked = ask(options)
    steps = KernelSteps(asked.line, asked.corpus, asked.kernel, asked.engine)
    steps.check()
    good = steps.plain if options.good is None else step_of(steps, options.good)
    bad = steps.last if options.bad is None else step_of(steps, options.bad)
    check_ends(good, bad)
    chosen = built(asked)
    steps = replace(steps, choice=chosen.kernel.choice)
    own = options.own
    files = (*own.scenario_files, *own.attacks, *own.variant_files)
    out = console()

    def show(lines: str) -> None:
        for line in lines.splitlines():
            out.print(visible(line), soft_wrap=True)

    with progress_line(out) as progress:
        trials = Trials(steps, chosen.corpus, chosen.cells, options.jobs, progress, files)
        change = bisect(good, bad, trials, say=lambda step: show(story(step, steps)))
    show(found_commit(change, steps))
    return 2 if change.skipped else 0


COMMAND = Command(
    "bisect",
    "find the commit of the series that changes a verdict",
    "Each step is a kernel with the first commits of the series and the witness. The series is "
    "ours, or with --patches your own. With several "
    "cells, the commit is the first that changes any of them. Exit status: 0 if the commit is "
    "found, 2 if the change may be in a skipped step.",
    Options,
    run,
    examples={
        "bisect -k proc_mem_write --variant isolated": "find the commit that stops an attack",
        "bisect -k dev_mem --tree ~/src/linux --patches series.mbox": "search a series of yours",
        "bisect -k seize_at_start --variant isolated --bad 9": "search the first nine commits only",
    },
)
