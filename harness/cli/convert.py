# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness convert`: a kept run in a format that other tools read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.cli.command import Command
from harness.cli.declare import choice, option, positional
from harness.cli.options import RUN, report_output_option, results_option
from harness.cli.output import write_report
from harness.host.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The options of `convert`."""

    run: str = positional(metavar="RUN", help=f"the run: {RUN}")
    format: str = choice(
        "--format",
        choices=("ktap", "kcidb"),
        default="ktap",
        help="the format: KTAP, or KCIDB JSON of schema version 5.3 (default: ktap)",
    )
    origin: str | None = option(
        "--origin",
        convert=str,
        default=None,
        metavar="NAME",
        help="the name of your CI system in KCIDB JSON (default: umd_harness)",
    )
    output: Path | None = report_output_option()
    results: Path = results_option()


def run(options: Options) -> int:
    """Write the run in the format. Raises UserError."""
    from harness.report.kcidb import DEFAULT_ORIGIN, kcidb
    from harness.report.ktap import ktap
    from harness.results.recorded_run import read_run

    if options.origin is not None and options.format != "kcidb":
        raise UserError("--origin is for KCIDB", hint="add --format kcidb, or leave it out")
    kept = read_run(options.run, root=options.results)
    if options.format == "kcidb":
        report = kcidb(kept, origin=options.origin or DEFAULT_ORIGIN)
    else:
        folder = options.results / kept.name  # `latest` is soon another run
        where = str(folder) if folder.is_dir() else options.run
        report = ktap(kept.cells.values(), not_run=kept.not_run, where=where)
    write_report(report, options.output)
    return 0


COMMAND = Command(
    "convert",
    "write a run in a format of other tools: KTAP or KCIDB",
    "A test is a cell: it passes if the verdict is as expected, also if that is a known hole, and "
    "an expected n/a is skipped.",
    Options,
    run,
    examples={
        "convert latest": "print the latest run as KTAP",
        "convert latest --format kcidb --origin my_ci --output run.json": "write KCIDB JSON",
    },
)
