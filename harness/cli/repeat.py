# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness repeat`: the chosen cells many times, with a count of their verdicts."""

from __future__ import annotations

from dataclasses import dataclass

from harness.cli.chosen import choose
from harness.cli.command import Command
from harness.cli.options import MatrixOptions, rounds_option
from harness.cli.output import say


@dataclass(frozen=True)
class Options(MatrixOptions):
    """The options of `repeat`."""

    rounds: int = rounds_option("times each cell runs (default: 100)", 100)


def run(options: Options) -> int:
    """Run the cells and print the counts. Raises UserError."""
    from harness.report.terminal import console, progress_line
    from harness.report.text import visible
    from harness.studies.repeat import repeat

    chosen = choose(options)
    kernel, cells = chosen.kernel, chosen.cells
    variants = [cell.variant for cell in cells]
    with (
        progress_line(console()) as progress,
        kernel.prepare_lab(kernel.line, variants, progress) as opened,
    ):
        counts = repeat(
            opened.lab,
            cells,
            corpus=chosen.corpus,
            times=options.rounds,
            jobs=options.jobs,
            progress=progress,
        )
    for count in counts:
        say(visible(str(count)))
    steady = all(count.steady for count in counts)
    said = "all" if steady else "NOT all"
    say(f"{len(counts)} cells, {options.rounds} times each: {said} steady")
    return 0 if steady else 1


COMMAND = Command(
    "repeat",
    "run the chosen cells many times and count their verdicts",
    "Exit status: 0 if every cell gave the same verdict each time, else 1.",
    Options,
    run,
    examples={
        "repeat -n 100 -k seize_at_start": "run an attack a hundred times",
        "repeat -n 3 --variant baseline --variant isolated": "run every attack three times",
    },
)
