# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness run`: one pass over the chosen cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.cli.chosen import choose
from harness.cli.command import Command
from harness.cli.declare import choice, switch, words_of
from harness.cli.options import MatrixOptions, results_option
from harness.cli.output import say

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Options(MatrixOptions):
    """The options of `run`."""

    results: Path = results_option()
    keep: str | None = choice(
        "--keep",
        choices=("vmcore",),
        default=None,
        help="for each cell with an unexpected result, keep a dump of the machine's memory for "
        "drgn or crash, about 256 MiB each, and print the command that opens it (default: no "
        "dumps)",
    )
    matrix: bool = switch(
        "--matrix",
        help="print the whole matrix at the end (default: the matrix if the report has at most 60 "
        "lines with it, otherwise the attacks held by class; the matrix is in matrix.txt in the "
        "folder of the run)",
    )
    only_problems: bool = switch(
        "--only-problems",
        help="print only the cells that are not as expected, during the run and at the end",
    )


def run(options: Options) -> int:
    """Run the cells and print the matrix. Raises UserError."""
    from harness.host.errors import UserError
    from harness.host.output_paths import check_results_root
    from harness.judge.controls import closure
    from harness.report.text import plan_line

    if options.matrix and options.only_problems:
        raise UserError(
            "--matrix and --only-problems contradict each other", hint="give one of them"
        )
    check_results_root(options.results)
    chosen = choose(options)
    needed = closure(chosen.corpus, chosen.cells)
    say(plan_line(chosen.cells, needed, jobs=options.jobs))

    from harness.report.run_report import Extent
    from harness.report.terminal import console
    from harness.run.run_plan import RunPlan, run_plan

    asked = {options.matrix: Extent.MATRIX, options.only_problems: Extent.PROBLEMS}
    plan = RunPlan(
        line=chosen.kernel.line,
        corpus=chosen.corpus,
        chosen=chosen.cells,
        needed=needed,
        jobs=options.jobs,
        root=options.results,
        scenario_files=[*options.own.scenario_files, *options.own.attacks],
        keep_vmcores=options.keep == "vmcore",
        variant_files=options.own.variant_files,
        choice=chosen.kernel.choice,
        extent=asked.get(True, Extent.FITTING),
        arguments=[COMMAND.name, *words_of(options)],
    )
    return run_plan(plan, prepare_lab=chosen.kernel.prepare_lab, out=console())


COMMAND = Command(
    "run",
    "run scenarios on variants and print the matrix of verdicts",
    "The controls and reference cells of the chosen cells run as well. Exit status: 0 if all "
    "verdicts are as expected, 1 if a verdict is not, 2 if a cell gave no conclusion.",
    Options,
    run,
    examples={
        "run": "run every scenario on every variant",
        "run -k ptrace --variant isolated": "run some attacks on one variant",
        "run --tree ~/src/linux --with-library": "run on your tree and our series",
        "run --scenario mine.py": "run the attacks in your own file",
    },
)
