# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness merge`: the runs of several machines as one run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.command import Command
from harness.cli.declare import option, positionals, switch
from harness.cli.options import matrix_switch, results_option
from harness.host.errors import UserError

if TYPE_CHECKING:
    from harness.results.run_header import RunHeader


@dataclass(frozen=True)
class Options:
    """The options of `merge`."""

    runs: tuple[str, ...] = positionals(
        metavar="RUN", help="a run: its folder or its name; all shards of `run --shard` are needed"
    )
    output: Path | None = option(
        "--output",
        convert=Path,
        default=None,
        metavar="DIR",
        help="make the run in this new folder (default: a new folder in that of --results, which "
        "is then `latest`)",
    )
    move: bool = switch(
        "--move",
        help="move the evidence of the runs in place of giving its files further names, which "
        "takes less time, and remove the runs at the end (default: keep the runs)",
    )
    matrix: bool = matrix_switch()
    results: Path = results_option()


def run(options: Options) -> int:
    """Merge the runs, and print the report. Raises UserError."""
    from harness.cli.run import Options as RunOptions
    from harness.cli.run_again import own_corpus
    from harness.report.run_report import Extent, Kept, print_report
    from harness.report.terminal import console
    from harness.results.recorded_run import read_run
    from harness.results.run_directory import RunDirectory
    from harness.results.run_name import new_run_name
    from harness.run.merge import check_code, merge
    from harness.run.merged_evidence import is_begun

    if not options.runs:
        raise UserError("no run is named", hint="name the runs, such as results/2*")
    target = options.output or options.results / new_run_name()
    if target.exists() and not (options.move and is_begun(target)):
        raise UserError(f"{target} is there already", hint="name a new folder with --output")
    parts = [read_run(name, root=options.results) for name in options.runs]
    header: RunHeader = parts[0].header
    check_code(header)
    corpus, rerun = own_corpus(RunOptions, header)
    finished, reports = merge(parts, target, corpus, rerun=rerun, move=options.move)
    if options.output is None:
        RunDirectory(target).announce()
    extent = Extent.MATRIX if options.matrix else Extent.FITTING
    kept = Kept(reports.matrix, reports.page)
    print_report(console(), finished, kept=kept, extent=extent)
    status = RunDirectory(target).header().exit_status
    return 2 if status is None else status


COMMAND = Command(
    "merge",
    "make one run of the runs of several machines",
    "The runs are the shards of `run --shard`, or other runs without a common cell. The command "
    "refuses a run that has not ended, a shard that is missing, a cell that two runs have, and "
    "runs on different images, on different code or of different kernel lines. The exit status "
    "is that of a run.",
    Options,
    run,
    examples={
        "merge results/2*": "merge all runs in the folder results",
        "merge one two --output nightly": "merge two runs into the folder nightly",
        "merge --move results/2*": "merge all runs in the folder results, and remove them",
    },
)
