# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness list`: the scenarios, and the verdict expected of each variant."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from harness.brought.options import Brought, corpus_with, own_variants
from harness.cli.chosen import warn_of_unknown_words
from harness.cli.command import Command
from harness.cli.declare import option
from harness.cli.options import (
    EXPRESSION_HELP,
    handler_option,
    line_option,
    report_format_option,
    scenario_files_option,
    variant_files_option,
    variant_option,
)
from harness.cli.output import say

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The options of `list`."""

    expression: str | None = option(
        "-k",
        convert=str,
        default=None,
        metavar="EXPR",
        help=f"{EXPRESSION_HELP} (default: all)",
    )
    variants: tuple[str, ...] = variant_option()
    line: str = line_option()
    handler: str = handler_option()
    format: str = report_format_option()
    variant_files: tuple[Path, ...] = variant_files_option()
    scenario_files: tuple[Path, ...] = scenario_files_option()


def run(options: Options) -> int:
    """Print the list. Raises UserError."""
    from harness.judge.cells import all_cells
    from harness.judge.selection import select
    from harness.report.listing import ListedCells, listing, markdown_listing
    from harness.report.listing_json import json_listing

    corpus = corpus_with(
        Brought(scenario_files=options.scenario_files), options.variant_files, options.handler
    )
    asked = options.variants or own_variants(corpus)
    chosen = select(corpus, all_cells(corpus, options.line, asked), options.expression)
    warn_of_unknown_words(corpus, options.line, options.expression)
    cells = ListedCells(corpus, chosen)
    match options.format:
        case "json":
            say(json_listing(cells, line=options.line))
        case "markdown":
            say(markdown_listing(cells))
        case _:
            columns = get_terminal_size().columns if sys.stdout.isatty() else None
            say(listing(cells, columns=columns))
    return 0


COMMAND = Command(
    "list",
    "list the scenarios and the verdict expected of each on every variant",
    "Nothing is run. docs/reference/list.md describes the JSON.",
    Options,
    run,
    examples={
        "list": "list every scenario with its expected verdicts",
        "list -k ptrace --variant isolated": "list some scenarios on one variant",
        "list --handler x509 -k forged_key": "list a scenario of another handler",
        "list --format json": "print the same for a program",
        "list --scenario mine.py": "list your own scenarios as well",
    },
)
