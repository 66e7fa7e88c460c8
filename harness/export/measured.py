# SPDX-License-Identifier: GPL-2.0-only
"""What a finished run measured, in the words of a cover letter: held of run, and open holes."""

from __future__ import annotations

import json
import textwrap
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.host.errors import UserError
from harness.model.verdict import Effect, Verdict
from harness.results.folder import SCHEMA, RunDirectory
from harness.scenarios import REFERENCES, SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

COLUMNS = {"baseline": "before", "isolated": "after", "kthread": "kernel thread"}
"""The variants of a cover letter's table, and what they are to a reader."""

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

Line = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """A finished run: its id, what it ran on, and the lines of its attacks on one kernel line.

    `series` and `image` are hashes, as images name them; `unexpected` is how many of all its
    cells did not come out as expected.
    """

    run: str
    series: str
    image: str
    unexpected: int
    lines: tuple[Line, ...]

    @classmethod
    def read(cls, folder: Path, *, line: str) -> Measured:
        """Read a run's folder. Raises UserError for one that is not whole."""
        run = RunDirectory(folder.resolve())
        try:
            header, found = run.header(), run.lines()
        except (OSError, json.JSONDecodeError) as error:
            raise UserError(f"{folder} cannot be read: {error}", hint="name another run") from error
        if not header:
            raise UserError(
                f"{folder} is not the folder of a run: it has no run.json",
                hint="name one, such as results/latest",
            )
        if header.get("finished") is None or header.get("stopped_by") or header.get("error"):
            raise UserError(
                f"the run {run.path.name} did not get to its end",
                hint="run it again, or name another",
            )
        if header.get("schema") != SCHEMA:
            raise UserError(
                f"the run {run.path.name} was kept by another version of the harness",
                hint="run the scenarios again: umd-harness run",
            )
        return cls(
            run=run.path.name,
            series=str(header.get("series", "")),
            image=str(header.get("image", "")),
            unexpected=sum(not one["ok"] for one in found),
            lines=tuple(
                one
                for one in found
                if one["line"] == line
                and one["variant"] in COLUMNS
                and one["scenario"] not in REFERENCES
            ),
        )

    def table(self) -> str:
        """Return held of run, a row for each effect and one for all, a column for each variant."""
        rows = [["", *COLUMNS.values()]]
        for effect, name in _ROWS.items():
            lines = [one for one in self.lines if one["effect"] == effect.name.lower()]
            if lines:
                rows.append([name, *_held_of_run(lines)])
        rows.append(["all attacks", *_held_of_run(self.lines)])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
            for row in rows
        )

    def open_holes(self) -> str:
        """Return the attacks that the isolation does not stop, below the reasons for it."""
        holes: defaultdict[str, list[str]] = defaultdict(list)
        for one in self.lines:
            if one["variant"] == ISOLATED and (told := _open(one)):
                scenario = SCENARIOS.get(one["scenario"])
                hole = scenario.holes.get(ISOLATED) if scenario else None
                holes[hole.reason if hole else "no reason is on record"].append(
                    f"{one['scenario']}: {told}"
                )
        paragraphs = [
            "\n".join([wrapped(reason), *(f"  {attack}" for attack in attacks)])
            for reason, attacks in holes.items()
        ]
        return "\n\n".join(paragraphs) or "none"


def _held_of_run(lines: Sequence[Line]) -> Iterator[str]:
    """For each variant, count the attacks that were held of those that were run."""
    for variant in COLUMNS:
        run = [
            one
            for one in lines
            if one["variant"] == variant and one["verdict"] != Verdict.NOT_APPLICABLE
        ]
        held = sum(one["verdict"] == Verdict.HELD and not one["gained"] for one in run)
        yield f"{held} of {len(run)}" if run else "none run"


def _open(one: Line) -> str:
    """Say how an attack won, or that nothing can be said; empty if it was held or has no sense."""
    if one["verdict"] == Verdict.ERROR:
        return "no conclusion"
    if one["verdict"] == Verdict.HELD:
        return "gained " + ", ".join(one["gained"]) if one["gained"] else ""
    return "" if one["verdict"] == Verdict.NOT_APPLICABLE else str(one["verdict"])


def latest(root: Path) -> Path | None:
    """Return the newest run below a folder of results, if there is one."""
    found = root / "latest"
    return found if found.is_dir() else None


def cost(path: Path) -> str:
    """Return the lines about the cost from a JSON object of names and figures. Raises UserError."""
    try:
        figures = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}", hint="name a JSON file") from error
    if not isinstance(figures, dict) or any(map(_is_nested, figures.values())):
        raise UserError(
            f"{path} is not a JSON object of names and figures",
            hint='write one, such as {"round trip": "21.3 us"}',
        )
    width = max(map(len, figures), default=0)
    return "\n".join(f"{name.ljust(width)}  {figure}" for name, figure in figures.items())


def _is_nested(value: object) -> bool:
    return isinstance(value, (dict, list))


def wrapped(paragraph: str) -> str:
    """Return a paragraph at the width of a mail."""
    return textwrap.fill(paragraph, WIDTH)
