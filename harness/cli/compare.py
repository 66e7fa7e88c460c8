# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness compare`: two kept runs, cell by cell."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from harness.cli.command import Command
from harness.cli.declare import option, positional, repeated
from harness.cli.options import RUN, report_format_option, report_output_option, results_option
from harness.cli.output import warn, write_report
from harness.host.errors import UserError
from harness.host.suggestion import hint_for
from harness.results.run_comparison import FAILURES

_FAIL_ON = ("worse", "error")


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(text.split(","))
    for kind in kinds:
        if kind not in FAILURES:
            raise argparse.ArgumentTypeError(f"{kind!r} is no kind; {hint_for(kind, FAILURES)}")
    if "never" in kinds and len(kinds) > 1:
        raise argparse.ArgumentTypeError("never goes with nothing else; leave out the others")
    return kinds


def _pair(text: str) -> tuple[str, str]:
    old, given, new = text.partition("=")
    if not (old and given and new):
        raise argparse.ArgumentTypeError(f"{text!r} is not OLD=NEW; for example baseline=isolated")
    return old, new


@dataclass(frozen=True)
class Options:
    """The options of `compare`."""

    old: str = positional(metavar="OLD", help=f"the earlier run: {RUN}")
    new: str = positional(metavar="NEW", help="the later run, named in the same way")
    format: str = report_format_option()
    output: Path | None = report_output_option()
    results: Path = results_option()
    fail_on: tuple[str, ...] = option(
        "--fail-on",
        convert=_kinds,
        default=_FAIL_ON,
        metavar="KINDS",
        help="end with status 1 if a cell has changed in one of these ways, joined by commas: "
        f"{', '.join(FAILURES)} (default: {','.join(_FAIL_ON)})",
    )
    renamed: tuple[tuple[str, str], ...] = repeated(
        "--map",
        convert=_pair,
        metavar="OLD=NEW",
        help="compare the line or variant OLD of the earlier run with NEW of the later one, and "
        "leave out the others",
    )


def run(options: Options) -> int:
    """Write the comparison, and return 1 if it fails. Raises UserError."""
    from harness.report.comparison_report import as_json, markdown, text
    from harness.results.recorded_run import read_run
    from harness.results.run_comparison import compare

    _check_other(options)
    old, new = (read_run(name, root=options.results) for name in (options.old, options.new))
    comparison = compare(old, new, renamed=options.renamed)
    failed = comparison.failed(options.fail_on)
    match options.format:
        case "json":
            report = as_json(comparison, failed=failed)
        case "markdown":
            report = markdown(comparison)
        case _:
            report = text(comparison)
    write_report(report, options.output)
    return 1 if failed else 0


def _check_other(options: Options) -> None:
    """Say so if there is only one run, and no other is named. Raises UserError."""
    from harness.results.recorded_run import run_folder, runs_in

    root, names = options.results, (options.old, options.new)
    if len(runs := runs_in(root)) != 1:
        return
    only, hint = f"{root} has only one run, {runs[0]}", "run the scenarios again to have another"
    for name in names:
        if not (Path(name).exists() or (root / name).exists()):
            raise UserError(f"there is no run {name}: {only}", hint=hint)
    if not options.renamed and len({run_folder(name, root) for name in names}) == 1:
        warn(f"{only}, which is compared with itself; {hint}")


COMMAND = Command(
    "compare",
    "compare two runs, cell by cell",
    "Exit status: 1 if a cell has changed in one of the ways of --fail-on, else 0.",
    Options,
    run,
    examples={
        "compare before latest": "compare the run `before` with the latest",
        "compare before latest --format markdown --output summary.md": "write a Markdown file",
        "compare latest latest --map baseline=isolated": "compare two variants of a run",
    },
)
