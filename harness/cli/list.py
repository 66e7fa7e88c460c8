# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness list`: the scenarios, and the verdict expected of each variant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.brought.options import Brought
from harness.cli.chosen import corpus_with
from harness.cli.command import Command
from harness.cli.declare import choice
from harness.cli.options import scenario_files_option
from harness.cli.output import say

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The options of `list`."""

    format: str = choice(
        "--format", choices=("text", "markdown"), default="text", help="the format (default: text)"
    )
    scenario_files: tuple[Path, ...] = scenario_files_option()


def run(options: Options) -> int:
    """Print the list. Raises UserError."""
    from harness.report.listing import listing, markdown_listing

    corpus = corpus_with(Brought(scenario_files=options.scenario_files))
    say(markdown_listing(corpus) if options.format == "markdown" else listing(corpus))
    return 0


COMMAND = Command(
    "list",
    "list the scenarios and the verdict expected of each on every variant",
    "",
    Options,
    run,
    examples={
        "list": "list every scenario with its expected verdicts",
        "list --format markdown": "write the same as a Markdown page",
        "list --scenario mine.py": "list your own scenarios as well",
    },
)
