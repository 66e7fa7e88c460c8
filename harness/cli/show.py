# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness show`: the story of one cell of a kept run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.cli.command import Command
from harness.cli.declare import choice, positional
from harness.cli.options import RUN, report_output_option, results_option
from harness.cli.output import write_report

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The options of `show`."""

    run: str = positional(metavar="RUN", help=f"the run: {RUN}")
    cell: str = positional(
        metavar="CELL",
        help="the cell: its id, such as 6.12-isolated-proc_mem_write, or a part that no other cell "
        "of the run has",
    )
    format: str = choice(
        "--format", choices=("text", "json"), default="text", help="the format (default: text)"
    )
    output: Path | None = report_output_option()
    results: Path = results_option()


def run(options: Options) -> int:
    """Write the story. Raises UserError."""
    from harness.report.cell_story import as_json, cell_story, text
    from harness.results.kept_cell import kept_cell
    from harness.results.recorded_run import read_run
    from harness.scenarios.corpus import SHIPPED

    kept = kept_cell(read_run(options.run, root=options.results), options.cell)
    story = cell_story(kept, SHIPPED.with_handler(kept.run.header.handler))
    write_report(as_json(story) if options.format == "json" else text(story), options.output)
    return 0


COMMAND = Command(
    "show",
    "tell the story of a cell of a run: the attack, the verdict and its evidence",
    "The last lines are the commands that run the cell again and that open a shell in its machine. "
    "No scenario file is executed.",
    Options,
    run,
    examples={
        "show latest 6.12-isolated-proc_mem_write": "tell the story of a cell of the latest run",
        "show latest isolated-dev_mem --format json": "print all that is kept of a cell",
    },
)
