# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness bisect`: the commit of the series that changes a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.brought.options import Brought, corpus_with
from harness.cli.chosen import say_not_run
from harness.cli.command import Command
from harness.cli.declare import option, required
from harness.cli.options import (
    EXPRESSION_HELP,
    jobs_option,
    line_option,
    scenario_files_option,
    variant_option,
)

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The options of `bisect`."""

    expression: str = required("-k", metavar="EXPR", help=EXPRESSION_HELP)
    variants: tuple[str, ...] = variant_option()
    good: str | None = option(
        "--good",
        convert=str,
        default=None,
        metavar="STEP",
        help="one end of the search: a number of commits, or a part of a commit's subject "
        "(default: the last commit before the isolation)",
    )
    bad: str | None = option(
        "--bad",
        convert=str,
        default=None,
        metavar="STEP",
        help="the other end; it may come first (default: the whole series)",
    )
    jobs: int = jobs_option()
    line: str = line_option()
    scenario_files: tuple[Path, ...] = scenario_files_option()


def run(options: Options) -> int:
    """Print each step, then the commit; return 2 if steps had to be skipped. Raises UserError."""
    from harness.judge.cells import all_cells
    from harness.judge.selection import select
    from harness.report.terminal import console, progress_line
    from harness.report.text import visible
    from harness.studies.bisect import LineSteps, Trials, bisect, step_of
    from harness.studies.bisect_report import found_commit, story

    corpus = corpus_with(Brought(scenario_files=options.scenario_files))
    cells = select(corpus, all_cells(corpus, options.line, options.variants), options.expression)
    say_not_run(cells, corpus)
    steps = LineSteps(options.line, corpus)
    good = steps.plain if options.good is None else step_of(steps, options.good)
    bad = steps.last if options.bad is None else step_of(steps, options.bad)
    out = console()

    def show(lines: str) -> None:
        for line in lines.splitlines():
            out.print(visible(line), soft_wrap=True)

    with progress_line(out) as progress:
        trials = Trials(steps, corpus, cells, options.jobs, progress, options.scenario_files)
        change = bisect(good, bad, trials, say=lambda step: show(story(step, steps)))
    show(found_commit(change, steps))
    return 2 if change.skipped else 0


COMMAND = Command(
    "bisect",
    "find the commit of the series that changes a verdict",
    "Each step is a kernel with the first commits of the series and the witness. With several "
    "cells, the commit is the first that changes any of them. Exit status: 0 if the commit is "
    "found, 2 if the change may be in a skipped step.",
    Options,
    run,
    examples={
        "bisect -k proc_mem_write --variant isolated": "find the commit that stops an attack",
        "bisect -k seize_at_start --variant isolated --bad 9": "search the first nine commits only",
    },
)
