# SPDX-License-Identifier: GPL-2.0-only
"""What a file can do that exploits a bug in a parser, by where the parser runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.findings.document import Section, Table, Text, code
from harness.host.paths import CHECKOUT
from harness.results.bench_figures import BugFigures

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLE = "What does a bug in a parser allow?"
FIGURES = CHECKOUT / "docs/figures/parser-bug.json"
_HEAD = ["where it runs", "a file replies", "a file sets the host name", "the next reply"]


def kept_bug() -> BugFigures | None:
    """Return the figures that the repository keeps; None outside of a checkout."""
    if not FIGURES.is_file():
        return None
    return msgspec.json.decode(FIGURES.read_bytes(), type=BugFigures)


def bug_section(figures: BugFigures) -> Section:
    """Return the section: a row for each place. Where parsers differ, each outcome has a row."""
    parsers = dict.fromkeys(code(one.parser) for one in figures.settings)
    return Section(
        TITLE,
        [
            Text(
                f"A bug was planted in each of the parsers {', '.join(parsers)}, and exploited by "
                "a file ([how](../explanation/parser-bug.md))."
            ),
            Table([_HEAD, *_rows(figures)]),
            Text(
                f"Measured by `umd-harness bench --parser-bug`: line {figures.line}, kernel "
                f"{figures.facts.release}."
            ),
        ],
    )


def _rows(figures: BugFigures) -> Iterator[list[str]]:
    for place in dict.fromkeys(one.name for one in figures.settings):
        told: dict[tuple[str, ...], list[str]] = {}
        here = [one for one in figures.settings if one.name == place]
        for one in here:
            words = ["yes" if is_so else "no" for is_so in (one.replies, one.sets_name)]
            told.setdefault((*words, one.next_reply), []).append(code(one.parser))
        for outcome, parsers in told.items():
            where = ", ".join(map(code, place.split(", ")))
            yield [where if len(told) == 1 else f"{where}: {', '.join(parsers)}", *outcome]
