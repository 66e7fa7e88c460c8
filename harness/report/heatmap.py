# SPDX-License-Identifier: GPL-2.0-only
"""The heat map of a run: for each class of attacks and each variant, the number held.

Each cell shows its numbers, so that the picture can be read without colour. The colours follow the
reader's light or dark theme. Screen readers get a title and a description.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from harness.report.held_table import TOTAL, sources
from harness.report.svg import add_text, drawn, picture
from harness.report.text import visible
from harness.results.held_counts import NOT_RUN

if TYPE_CHECKING:
    from harness.results.held_counts import HeldByClass, HeldCount

TITLE = "Attacks held, by class and variant"

_LABEL, _COLUMN, _ROW = 350, 96, 34
"""The width of the labels, and the width and height of a cell, in pixels."""
_HEAD, _GAP, _MARGIN, _LINE = 70, 3, 12, 18

SHADES = ("none", "few", "half", "most", "every")
"""The CSS classes of a cell, by the share held: none, below 50 %, below 90 %, more, all."""

_LETTERS = 140
"""The most letters in a line below the picture."""

_KEY = "Blue: held. Orange: not held. n/a: nothing to attack there."

_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.paper { fill: #ffffff; }
.head { font-weight: 600; }
.source { font-size: 11px; fill: #59636e; }
.blank { fill: none; stroke: #8c959f; stroke-dasharray: 3 3; }
.none { fill: #b35806; } .none + text { fill: #ffffff; }
.few { fill: #f1a340; } .few + text { fill: #1f2328; }
.half { fill: #fee0b6; } .half + text { fill: #1f2328; }
.most { fill: #a6cbe8; } .most + text { fill: #1f2328; }
.every { fill: #1f5f99; } .every + text { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
text, .blank + text { fill: #f0f6fc; }
.paper { fill: #0d1117; }
.source { fill: #9198a1; }
}
"""


def svg(counts: HeldByClass) -> str:
    """Return the SVG, with a column for each variant that was run."""
    variants = [name for name in counts.variants if name in counts.total]
    rows = {**counts.rows, TOTAL: counts.total}
    notes = [
        line
        for note in (_KEY, *sources(counts), *_not_run(counts))
        for line in textwrap.wrap(visible(note), _LETTERS, break_on_hyphens=False)
    ]
    width = 2 * _MARGIN + _LABEL + _COLUMN * len(variants)
    height = 2 * _MARGIN + _HEAD + _ROW * len(rows) + _LINE * (len(notes) + 1)
    root = picture(width, height, title=TITLE, description=description(counts), style=_STYLE)
    _heads(root, variants)
    for number, (name, row) in enumerate(rows.items()):
        _row(root, number, name, [row.get(variant) for variant in variants], name == TOTAL)
    _notes(root, _MARGIN + _HEAD + _ROW * len(rows), notes)
    return drawn(root)


def description(counts: HeldByClass) -> str:
    """Return a sentence with the totals for each variant."""
    return " ".join(
        f"{visible(name)} held {total.held} of {total.run} attacks."
        for name, total in counts.total.items()
    )


def entry(count: HeldCount | None) -> str:
    """Return the numbers of a cell, such as `3 / 4`."""
    return (str(count) if count else NOT_RUN).replace(" of ", " / ")


def shade(count: HeldCount | None) -> str:
    """Return the CSS class of a cell: one of SHADES, or `blank` if no attack has a verdict."""
    if count is None or not count.run:
        return "blank"
    share = count.held / count.run
    if share in (0, 1):
        return "every" if share else "none"
    return "few" if share < 0.5 else "half" if share < 0.9 else "most"


def _heads(root: ET.Element, variants: list[str]) -> None:
    for column, name in enumerate(variants):
        words = [word for word in re.split(r"(?<=-)", visible(name)) if word]
        for line, word in enumerate(words):
            y = _MARGIN + _HEAD - 10 - _LINE * (len(words) - 1 - line)
            add_text(root, _middle(column), y, word, "head", "middle")


def _row(
    root: ET.Element, number: int, name: str, counts: list[HeldCount | None], is_total: bool
) -> None:
    top = _MARGIN + _HEAD + _ROW * number
    add_text(root, _MARGIN, top + 21, _short(name), "head" if is_total else "")
    for column, count in enumerate(counts):
        place = {
            "x": str(_MARGIN + _LABEL + _COLUMN * column + _GAP),
            "y": str(top + _GAP),
            "width": str(_COLUMN - 2 * _GAP),
            "height": str(_ROW - 2 * _GAP),
        }
        ET.SubElement(root, "rect", {"class": shade(count), "rx": "3", **place})
        add_text(root, _middle(column), top + 21, entry(count), "", "middle")


def _notes(root: ET.Element, top: int, notes: list[str]) -> None:
    for line, note in enumerate(notes, start=1):
        add_text(root, _MARGIN, top + _LINE * line + 6, note, "source")


def _not_run(counts: HeldByClass) -> list[str]:
    missing = [name for name in counts.variants if name not in counts.total]
    return [f"Not run: {', '.join(missing)}."] if missing else []


def _short(name: str) -> str:
    """Return the name of a class of attacks up to its colon; the rest is detail."""
    return visible(name.partition(":")[0])


def _middle(column: int) -> int:
    return _MARGIN + _LABEL + _COLUMN * column + _COLUMN // 2
