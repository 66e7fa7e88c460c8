# SPDX-License-Identifier: GPL-2.0-only
"""A finished run as a cover letter quotes it: attacks held of attacks run, and open holes."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.model.verdict import Effect, Verdict
from harness.results.held_counts import BELOW, HeldCount
from harness.results.recorded_run import read_run
from harness.scenarios import REFERENCES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.results.result_line import ResultLine

COLUMNS = {"baseline": "before", "isolated": "after", "kthread": "kernel thread"}
"""The variants of a cover letter's table, and their headings."""

ISOLATED = "isolated"
WIDTH = 72
_ROWS = {
    Effect.INTEGRITY: "integrity",
    Effect.ESCAPE: "escape from inside",
    Effect.CONFIDENTIALITY: "confidentiality",
    Effect.AVAILABILITY: "availability",
    Effect.STEP: "steps to others",
    Effect.NONE: "without effect",
}


@dataclass(frozen=True)
class MeasuredRun:
    """A finished run: its name, what it ran on, and its attacks on one kernel line."""

    run: str
    """The name of the run's folder."""

    series: str
    """The hash of the patch series, as kernel images name it."""

    image: str
    """The key of the kernel image."""

    unexpected: int
    """How many cells of the whole run did not come out as expected."""

    lines: tuple[ResultLine, ...]
    """The attacks on the variants of the table."""

    @classmethod
    def read(cls, name: str, *, root: Path, line: str) -> MeasuredRun:
        """Read a run, as `read_run` does. Raises UserError also if it did not get to its end."""
        run = read_run(name, root=root)
        if run.trouble:
            raise UserError(
                f"the run {run.name} did not get to its end: {run.trouble}",
                hint="run it again, or name another",
            )
        return cls(
            run=run.name,
            series=run.header.series,
            image=run.header.image,
            unexpected=sum(not one.ok for one in run.cells.values()),
            lines=tuple(
                one
                for one in run.cells.values()
                if one.line == line and one.variant in COLUMNS and one.scenario not in REFERENCES
            ),
        )

    def table(self) -> str:
        """Return held of run: a row for each effect and for all, a column for each variant.

        The numbers in brackets are those of the held attacks that gained a step.
        """
        rows = [["", *COLUMNS.values()]]
        for effect, name in _ROWS.items():
            lines = [one for one in self.lines if one.effect is effect]
            if lines:
                rows.append([name, *map(_held, _counts(lines))])
        counts = list(_counts(self.lines))
        rows.append(["all attacks", *map(_held, counts)])
        rows += [
            [name, *(str(number(count)) for count in counts)] for name, number in BELOW.items()
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
            for row in rows
        )

    def open_holes(self) -> str:
        """Return the attacks that the isolation does not stop, below the reasons for it."""
        holes: defaultdict[str, list[str]] = defaultdict(list)
        for one in self.lines:
            if one.variant == ISOLATED and (told := _open(one)):
                holes[one.known_hole or "no reason is on record"].append(f"{one.scenario}: {told}")
        paragraphs = [
            "\n".join([wrapped(reason), *(f"  {attack}" for attack in attacks)])
            for reason, attacks in holes.items()
        ]
        return "\n\n".join(paragraphs) or "none"


def _counts(lines: Sequence[ResultLine]) -> Iterator[HeldCount]:
    for variant in COLUMNS:
        yield HeldCount.of(one for one in lines if one.variant == variant)


def _held(count: HeldCount) -> str:
    return f"{count} ({count.steps})" if count.steps else str(count)


def _open(one: ResultLine) -> str:
    """Say how an attack won, or that nothing can be said; empty if it was held or is n/a."""
    if one.verdict is Verdict.ERROR:
        return "no conclusion"
    if one.verdict is Verdict.HELD:
        return "gained " + ", ".join(one.gained) if one.gained else ""
    return "" if one.verdict is Verdict.NOT_APPLICABLE else str(one.verdict)


def wrapped(paragraph: str) -> str:
    """Return a paragraph at the width of a mail."""
    return textwrap.fill(paragraph, WIDTH)
