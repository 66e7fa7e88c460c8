# SPDX-License-Identifier: GPL-2.0-only
"""The commands that compare: `compare` two kept runs, `table` one's variants, `bisect` a series."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from harness.host.errors import UserError
from harness.judge.cells import all_cells
from harness.results.compare import FAILURES, compare
from harness.scenarios.corpus import SHIPPED

Adder = Callable[..., object]

FORMATS = ("text", "markdown", "json")
_FAIL_ON = "worse,error"


def add_compare(argument: Adder) -> None:
    """Add the options of `compare`."""
    argument("old", metavar="OLD", help="a run's folder, its name, or `latest`")
    argument("new", metavar="NEW", help="the run to hold against it")
    _form(argument)
    argument(
        "--fail-on",
        type=_kinds,
        default=_FAIL_ON,
        metavar="KINDS",
        help=f"exit with 1 on any of these, joined by commas: {', '.join(FAILURES)} ({_FAIL_ON})",
    )
    argument(
        "--map",
        action="append",
        type=_pair,
        default=[],
        metavar="OLD=NEW",
        help="hold a line or variant of OLD against another one of NEW; may be repeated",
    )


def run_compare(options: argparse.Namespace, *, say: Callable[[str], None]) -> int:
    """Print the comparison and return 1 if it fails by what `--fail-on` says."""
    from harness.report.compare import as_json, markdown, text
    from harness.results.kept_run import read_run

    old, new = (read_run(name, root=options.results) for name in (options.old, options.new))
    comparison = compare(old, new, renamed=options.map)
    failed = comparison.failed(options.fail_on)
    match options.format:
        case "json":
            said = as_json(comparison, failed=failed)
        case "markdown":
            said = markdown(comparison)
        case _:
            said = text(comparison)
    _put(said, options.output, say)
    return 1 if failed else 0


def add_table(argument: Adder) -> None:
    """Add the options of `table`."""
    argument("run", metavar="RUN", help="a run's folder, its name, or `latest`")
    argument(
        "--variant",
        action="append",
        default=[],
        metavar="NAME",
        help="a column, in place of the usual ones; may be repeated",
    )
    _form(argument)


def run_table(options: argparse.Namespace, *, say: Callable[[str], None]) -> int:
    """Print how many attacks of each class each variant held, of those that were run."""
    from harness.report.class_counts import as_json, markdown, text
    from harness.results.class_counts import count_classes
    from harness.results.kept_run import read_run

    counts = count_classes(read_run(options.run, root=options.results), SHIPPED, options.variant)
    form = {"json": as_json, "markdown": markdown}.get(options.format, text)
    _put(form(counts), options.output, say)
    return 0


def add_bisect(argument: Adder) -> None:
    """Add the options of `bisect` that no other command has."""
    argument("-k", metavar="EXPR", required=True, help="which cells: names joined by and, or, not")
    argument("--variant", action="append", default=[], metavar="NAME", help="may be repeated")
    argument(
        "--good",
        metavar="STEP",
        help="one end: a number of commits, or a part of a subject (before the isolation)",
    )
    argument("--bad", metavar="STEP", help="the other end, before it or after it (the whole)")


def run_bisect(options: argparse.Namespace) -> int:
    """Print each step and the commit that changes a verdict; 2 if it cannot be told which."""
    from harness.brought.scenario_files import load_scenario_files
    from harness.report.terminal import console, progress_line
    from harness.report.text import visible
    from harness.run.selection import select
    from harness.studies.bisect import LineSteps, Trials, bisect, step_of
    from harness.studies.bisect_report import conclusion, story

    corpus = load_scenario_files(options.scenario, SHIPPED)
    cells = select(corpus, all_cells(corpus, options.line, options.variant), options.k)
    steps = LineSteps(options.line, corpus)
    good = steps.plain if options.good is None else step_of(steps, options.good)
    bad = steps.last if options.bad is None else step_of(steps, options.bad)
    out = console()

    def show(lines: str) -> None:
        for line in lines.splitlines():
            out.print(visible(line), soft_wrap=True)

    with progress_line(out) as progress:
        trials = Trials(steps, corpus, cells, options.jobs, progress, options.scenario)
        finding = bisect(good, bad, trials, say=lambda step: show(story(step, steps)))
    show(conclusion(finding, steps))
    return 2 if finding.skipped else 0


def _form(argument: Adder) -> None:
    """Add what every report on kept runs takes."""
    argument("--format", choices=FORMATS, default="text", help="text if not given")
    argument("--output", type=Path, metavar="FILE", help="where to write it, if not to the screen")
    argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="where the runs are"
    )


def _put(said: str, path: Path | None, say: Callable[[str], None]) -> None:
    """Write a report to the file, or else to the screen."""
    if path is None:
        say(said)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(said + "\n", errors="backslashreplace")
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror}", hint="name another file with --output"
        ) from error


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(text.split(","))
    for kind in kinds:
        if kind not in FAILURES:
            raise argparse.ArgumentTypeError(f"{kind!r} is none of {', '.join(FAILURES)}")
    if "never" in kinds and len(kinds) > 1:
        raise argparse.ArgumentTypeError("never goes with nothing else")
    return kinds


def _pair(text: str) -> tuple[str, str]:
    old, given, new = text.partition("=")
    if not (old and given and new):
        raise argparse.ArgumentTypeError(f"{text!r} is not OLD=NEW")
    return old, new
