# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness table`: a kept run, counted by the classes of attacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.cli.command import Command
from harness.cli.declare import positional, positionals
from harness.cli.options import (
    RUN,
    report_format_option,
    report_output_option,
    results_option,
    variant_option,
)
from harness.cli.output import write_report

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The options of `table`."""

    run: str = positional(metavar="RUN", help=f"the run: {RUN}")
    others: tuple[str, ...] = positionals(
        metavar="RUN",
        help="further runs, for the variants that the first does not have",
    )
    variants: tuple[str, ...] = variant_option(
        "show a column for this variant (default: those of docs/explanation/held-attacks.md)"
    )
    format: str = report_format_option("svg")
    output: Path | None = report_output_option()
    results: Path = results_option()


def run(options: Options) -> int:
    """Write the table. Raises UserError."""
    from harness.report.heatmap import svg
    from harness.report.held_table import as_json, markdown, text
    from harness.results.held_counts import count_by_class
    from harness.results.run_summary import handler_of, read_kept
    from harness.scenarios.corpus import SHIPPED

    kept, *others = (
        read_kept(name, SHIPPED, root=options.results) for name in (options.run, *options.others)
    )
    corpus = SHIPPED.with_handler(handler_of([kept, *others]))
    counts = count_by_class(kept, corpus, options.variants, others=others)
    report = {"json": as_json, "markdown": markdown, "svg": svg}.get(options.format, text)
    write_report(report(counts), options.output)
    return 0


COMMAND = Command(
    "table",
    "count, for each class of attacks and each variant, the attacks of a run that were held",
    "",
    Options,
    run,
    examples={
        "table latest": "print the table of the latest run",
        "table latest --variant baseline --variant isolated": "print the columns of two variants",
        "table docs/runs/A.json docs/runs/B.json": "take what the first run lacks from the second",
        "table latest --format svg --output heatmap.svg": "draw the table as a heat map",
    },
)
