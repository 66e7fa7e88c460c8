# SPDX-License-Identifier: GPL-2.0-only
"""`umd-harness clean`: space made in the cache."""

from __future__ import annotations

from dataclasses import dataclass

from harness.cli.command import Command
from harness.cli.declare import switch
from harness.cli.output import say


@dataclass(frozen=True)
class Options:
    """The options of `clean`."""

    all: bool = switch(
        "--all",
        help="remove the built images, the fetched sources and the signing key as well",
    )
    dry_run: bool = switch(
        "--dry-run", help="print what would be removed and its size, and remove nothing"
    )


def run(options: Options) -> int:
    """Remove, and print what was removed and its size. Raises UserError."""
    from harness.cache.clean import clean, mebibytes

    did, total = "would remove" if options.dry_run else "removed", 0
    for one in clean(everything=options.all, dry_run=options.dry_run):
        say(f"{did} {one}")
        total += one.size
    say(f"{did} {mebibytes(total)} in all")
    return 0


COMMAND = Command(
    "clean",
    "remove build trees and saved states from the cache",
    "The results of runs are kept.",
    Options,
    run,
    examples={
        "clean": "remove build trees and saved states",
        "clean --all --dry-run": "print what --all would remove, and how much",
        "clean --all": "remove all that can be built or fetched again",
    },
)
