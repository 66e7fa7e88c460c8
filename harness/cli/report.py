# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness report`: a kept run as a page to look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.cli.command import Command
from harness.cli.declare import option, positional, switch
from harness.cli.options import RUN, defences_option, report_output_option, results_option
from harness.cli.output import say, write_report
from harness.results.run_name import LATEST


@dataclass(frozen=True)
class Options:
    """The options of `report`."""

    run: str = positional(metavar="RUN", default=LATEST, help=f"the run: {RUN} (default: {LATEST})")
    against: str | None = option(
        "--against",
        convert=str,
        default=None,
        metavar="OLD",
        help="show what has changed since this earlier run, named in the same way (default: no "
        "comparison)",
    )
    bench: Path | None = option(
        "--bench",
        convert=Path,
        default=None,
        metavar="FILE",
        help="show the cost of the isolation from this file of `bench --output` (default: no cost)",
    )
    defences: Path | None = defences_option()
    output: Path | None = report_output_option(
        "write to this file (default: report.html in the folder of the run)"
    )
    open: bool = switch("--open", help="open the page in a browser")
    results: Path = results_option()


def run(options: Options) -> int:
    """Write the page. Raises UserError."""
    from harness.findings.price import shipped_prices
    from harness.findings.price_page import priced
    from harness.host.output_paths import check_output_file
    from harness.report.page.page import PAGE, PageContent, page
    from harness.results.bench_figures import read_figures
    from harness.results.defence_summary import read_defences
    from harness.results.repetition import unsteady
    from harness.results.salvaged_run import salvage
    from harness.scenarios.corpus import SHIPPED

    if options.output:
        check_output_file(options.output)
    new = salvage(options.run, root=options.results)
    old = salvage(options.against, root=options.results) if options.against else None
    figures = read_figures(options.bench) if options.bench else None
    prices = None
    if options.defences:
        prices = priced(read_defences(options.defences), shipped_prices())
    path = options.output or new.run.path / PAGE
    content = PageContent(new, old, figures, prices, unsteady(new.run))
    write_report(
        page(content, SHIPPED.with_handler(new.run.header.handler), place=path.parent), path
    )
    for gap in new.gaps:
        say(f"not in the report: {gap}")
    say(f"report: {path}")
    if options.open:
        _open(path)
    return 0


def _open(path: Path) -> None:
    import webbrowser

    if not webbrowser.open(path.resolve().as_uri()):
        say("no browser was found; open the file by hand")


COMMAND = Command(
    "report",
    "write a run as an HTML page: the matrix, each cell's story, what has changed",
    "The page is one file that works offline. Its links lead to the evidence in the folder of the "
    "run. `run` writes the page as well.",
    Options,
    run,
    examples={
        "report": "write the page of the latest run",
        "report latest --open": "write it, and open it in a browser",
        "report latest --against before": "show also what has changed since the run `before`",
    },
)
