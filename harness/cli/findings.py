# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness findings`: what kept runs answer to the questions of the discussions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.command import Command
from harness.cli.declare import option, positionals, switch
from harness.cli.options import defences_option, report_output_option, results_option
from harness.cli.output import say, write_report
from harness.host.errors import UserError

if TYPE_CHECKING:
    from harness.findings.evidence import Evidence


@dataclass(frozen=True)
class Options:
    """The options of `findings`."""

    runs: tuple[str, ...] = positionals(
        metavar="RUN",
        help="a run: its folder, its name, `latest`, or the file of its summary; of several runs "
        "that have a variant, the first counts",
    )
    defences: Path | None = defences_option()
    mail: bool = switch("--mail", help="print plain text of at most 72 columns, for a mail")
    summaries: Path | None = option(
        "--summaries",
        convert=Path,
        default=None,
        metavar="DIR",
        help="write the summary of each run to this folder, and no findings (default: none)",
    )
    output: Path | None = report_output_option()
    results: Path = results_option()


def run(options: Options) -> int:
    """Write the findings, or the summaries of the runs. Raises UserError."""
    from harness.findings.document import mail, markdown
    from harness.findings.evidence import evidence_of
    from harness.findings.page import findings
    from harness.findings.parser_bug import kept_bug
    from harness.findings.price import shipped_prices
    from harness.results.defence_summary import read_defences
    from harness.scenarios.corpus import SHIPPED

    if not options.runs:
        raise UserError("no run is named", hint="name one, such as `latest`")
    if options.summaries is not None and (options.mail or options.output):
        raise UserError(
            "--summaries writes summaries and no findings", hint="leave out --mail and --output"
        )
    defences = read_defences(options.defences) if options.defences else None
    evidence = evidence_of(options.runs, SHIPPED, root=options.results, defences=defences)
    if options.summaries is not None:
        _keep(evidence, options.summaries)
        return 0
    document = findings(evidence, shipped_prices(), bug=kept_bug())
    write_report(mail(document) if options.mail else markdown(document), options.output)
    return 0


def _keep(evidence: Evidence, folder: Path) -> None:
    """Write a summary of each run. Raises UserError."""
    from harness.results.run_summary import write_summary

    for kept in (*evidence.runs, *evidence.parsers):
        try:
            say(str(write_summary(folder, kept)))
        except OSError as error:
            raise UserError(
                f"the summary of {kept.name} cannot be written to {folder}: {error.strerror}",
                hint="name a folder that exists with --summaries",
            ) from error


COMMAND = Command(
    "findings",
    "say what kept runs answer, question by question, and what they do not",
    "The answer comes first, then each question with its numbers and the run that they are "
    "counted from, the price of each defence, and what was not tried. The output is Markdown. "
    "The site's page of findings is made from the summaries in docs/runs.",
    Options,
    run,
    examples={
        "findings latest": "print the findings of the latest run",
        "findings latest --mail": "print them as the text of a mail",
        "findings docs/runs/*.json": "print the findings of the documentation",
        "findings latest --summaries docs/runs": "write the run's summary for the documentation",
    },
)
