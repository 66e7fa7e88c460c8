# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness repeat`: the chosen cells many times, with a count of their verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.cli.chosen import choose
from harness.cli.command import Command
from harness.cli.declare import words_of
from harness.cli.options import MatrixOptions, results_option, rounds_option
from harness.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.cli.chosen import Chosen
    from harness.results.run_header import Provenance
    from harness.studies.repeat import RepeatedVerdicts
    from harness.studies.repetitions import Repetitions


@dataclass(frozen=True)
class Options(MatrixOptions):
    """The options of `repeat`."""

    rounds: int = rounds_option("times each cell runs (default: 100)", 100)
    results: Path = results_option()


def run(options: Options) -> int:
    """Run the cells and print the counts, also if it is interrupted. Raises UserError."""
    from harness.host.output_paths import check_results_root
    from harness.judge.controls import variants_needed
    from harness.report.terminal import console, progress_line
    from harness.report.text import plural
    from harness.studies.repeat import RepeatedVerdicts, repeat

    check_results_root(options.results)
    chosen = choose(options)
    kernel = chosen.kernel
    counts = {cell: RepeatedVerdicts(cell) for cell in chosen.cells}
    variants = variants_needed(chosen.corpus, chosen.cells)
    with (
        progress_line(console()) as progress,
        kernel.prepare_lab(kernel.line, variants, progress) as opened,
    ):
        kept = _kept(options, chosen, opened.facts)
        try:
            repeat(
                opened.lab,
                counts,
                corpus=chosen.corpus,
                times=options.rounds,
                jobs=options.jobs,
                progress=progress,
                kept=kept,
            )
        finally:
            kept.close()
            _say_counts(counts.values(), kept)
    steady = all(count.steady for count in counts.values())
    said = "all" if steady else "NOT all"
    say(f"{plural(len(counts), 'cell')}, {plural(options.rounds, 'time')} each: {said} steady")
    kept.check()
    return 0 if steady else 1


def _kept(options: Options, chosen: Chosen, facts: Provenance) -> Repetitions:
    from functools import partial

    import msgspec

    from harness.report.text import rerun_line
    from harness.results.run_name import new_run_name
    from harness.studies.repetitions import Repetitions

    own = options.own
    return Repetitions(
        options.results / new_run_name(),
        chosen.corpus,
        chosen.cells,
        times=options.rounds,
        header={
            "line": chosen.kernel.line,
            "jobs": options.jobs,
            "arguments": (COMMAND.name, *words_of(options)),
            "scenario_files": tuple(map(str, (*own.scenario_files, *own.attacks))),
            "variant_files": tuple(map(str, own.variant_files)),
            **msgspec.structs.asdict(facts),
        },
        rerun=partial(
            rerun_line,
            corpus=chosen.corpus,
            choice=chosen.kernel.choice,
            engine=options.engine,
        ),
    )


def _say_counts(counts: Iterable[RepeatedVerdicts], kept: Repetitions) -> None:
    """Print the verdicts of each cell, and where they are."""
    from harness.report.text import visible

    for count in counts:
        say(visible(str(count)))
    if kept.path.is_dir():
        say(f"results: {visible(str(kept.path))}, a run for each time")


COMMAND = Command(
    "repeat",
    "run the chosen cells many times and count their verdicts",
    "Each time has a folder of its own in the study's folder below --results, which `compare`, "
    "`table` and `show` take as a run. "
    "Exit status: 0 if every cell gave the same verdict each time, else 1.",
    Options,
    run,
    examples={
        "repeat -n 100 -k seize_at_start": "run an attack a hundred times",
        "repeat -n 3 --variant baseline --variant isolated": "run every attack three times",
    },
)
