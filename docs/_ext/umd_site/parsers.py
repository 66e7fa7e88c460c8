# SPDX-License-Identifier: GPL-2.0-only
"""What parsers cost outside of the kernel, from docs/figures: tables and a picture."""

from __future__ import annotations

from math import ceil, log10
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import msgspec

from harness.findings.price_picture import STYLE
from harness.host.paths import CHECKOUT
from harness.report.svg import add_text, drawn, picture
from harness.results.bench_figures import ParserFigures
from harness.studies.parser_cost import Row, rows
from harness.studies.round_trip import ISOLATED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FIGURES = CHECKOUT / "docs" / "figures"
PICTURE = "parsers.svg"
_TITLE = "Median time of a request, in microseconds"
_LEFT, _TOP, _WIDTH, _LINE, _MARGIN = 300, 60, 420, 22, 12
"""The place and the width of the plot, the height of a line, and the margin, in pixels."""


def pages() -> Iterator[tuple[str, str]]:
    """Yield the tables and the picture: the path below `docs/`, and the text."""
    for name in ("parsers", "parser-corpora"):
        kept = (FIGURES / f"{name}.json").read_bytes()
        found = msgspec.json.decode(kept, type=ParserFigures)
        yield f"reference/generated/{name}.md", table(found)
        if name == "parsers":
            yield f"reference/generated/{PICTURE}", svg(rows(found.files)) + "\n"


def table(found: ParserFigures) -> str:
    """Return the table in Markdown, and a line with the locked memory."""
    lines = [
        "| file | parser | a second | median | 99th percentile | rate of the kernel's |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows(found.files):
        times = f"{1e6 / row.middle:.0f} | {row.middle:.0f} us | {row.late:.0f} us"
        lines.append(f"| {row.file} | {row.parser} | {times} | {row.rate} |")
    memory = ", ".join(f"`{parser}` {kib} KiB" for parser, kib in found.locked_kib.items())
    return "\n".join([*lines, "", f"Locked memory of a handler on `{ISOLATED}`: {memory}.", ""])


def svg(made: Sequence[Row]) -> str:
    """Return the picture: a mark for each median, on a logarithmic axis."""
    decades = max(1, ceil(log10(max(row.middle for row in made))))
    bottom = _TOP + _LINE * len(made)
    said = " ".join(f"{row.file}, {row.parser}: {row.middle:.0f} us." for row in made)
    size = _LEFT + _WIDTH + 100, bottom + 50
    root = picture(*size, title=_TITLE, description=said, style=STYLE)
    add_text(root, _MARGIN, 24, _TITLE, "head")
    for decade in range(decades + 1):
        x = _LEFT + _WIDTH * decade // decades
        ET.SubElement(root, "polyline", {"class": "axis", "points": f"{x},{_TOP} {x},{bottom}"})
        add_text(root, x, bottom + 20, f"{10**decade}", anchor="middle")
    for number, row in enumerate(made):
        x = _LEFT + round(_WIDTH * log10(row.middle) / decades)
        y = _TOP + _LINE * number + _LINE // 2
        add_text(root, _MARGIN, y + 4, row.file)
        add_text(root, x + 8, y + 4, row.parser)
        ET.SubElement(root, "circle", {"class": "point", "cx": str(x), "cy": str(y), "r": "4"})
    return drawn(root)
