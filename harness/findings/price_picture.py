# SPDX-License-Identifier: GPL-2.0-only
"""The front of price against attacks held, as a picture.

Each step is a number that the list beside it explains, so that the picture can be read without
colour. The colours follow the reader's light or dark theme.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from harness.findings.price_table import TITLE
from harness.report.svg import add_text, drawn, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.findings.price_table import Point

_LEFT, _TOP, _WIDTH, _HEIGHT = 60, 50, 420, 380
"""The place and the size of the plot, in pixels."""

_LIST, _LINE, _MARGIN = 520, 18, 12
"""Where the list begins, the height of a line in it, and the margin."""

_TICKS = 4
_APART = 12  # pixels between two numbers

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.paper { fill: #ffffff; }
.head { font-weight: 600; }
.axis { stroke: #59636e; fill: none; }
.front { stroke: #1f5f99; stroke-width: 2; fill: none; }
.point { fill: #1f5f99; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; }
.paper { fill: #0d1117; }
.front { stroke: #a6cbe8; } .point { fill: #a6cbe8; } .axis { stroke: #9198a1; }
}
"""


def svg(points: Sequence[Point], *, style: str = STYLE) -> str:
    """Return the SVG of the points, in their order. There is at least one."""
    lines = max(1, *(point.lines for point in points))
    attacks = max(1, *(point.attacks for point in points))
    height = max(_TOP + _HEIGHT + 50, _TOP + _LINE * (len(points) + 2))
    description = " ".join(map(_sentence, points))
    root = picture(_LIST + 300, height, title=TITLE, description=description, style=style)
    add_text(root, _MARGIN, 24, TITLE, "head")
    places = [
        (
            _LEFT + round(_WIDTH * point.lines / lines),
            _TOP + _HEIGHT - round(_HEIGHT * point.attacks / attacks),
        )
        for point in points
    ]
    _axes(root, lines, attacks)
    _front(root, places)
    for number, point in enumerate(points, start=1):
        add_text(root, _LIST, _TOP + _LINE * number, f"{number}  {_sentence(point)}")
    return drawn(root)


def _sentence(point: Point) -> str:
    return f"{point.name}: {point.lines} lines in all, {point.attacks} attacks."


def _axes(root: ET.Element, lines: int, attacks: int) -> None:
    bottom, right = _TOP + _HEIGHT, _LEFT + _WIDTH
    ET.SubElement(
        root,
        "polyline",
        {"class": "axis", "points": f"{_LEFT},{_TOP} {_LEFT},{bottom} {right},{bottom}"},
    )
    for tick in range(_TICKS + 1):
        x, y = _LEFT + _WIDTH * tick // _TICKS, bottom - _HEIGHT * tick // _TICKS
        add_text(root, x, bottom + 18, str(lines * tick // _TICKS), anchor="middle")
        add_text(root, _LEFT - 8, y + 4, str(attacks * tick // _TICKS), anchor="end")
    add_text(root, _LEFT + _WIDTH // 2, bottom + 38, "lines added", "head", "middle")
    add_text(root, _MARGIN, _TOP - 8, "attacks", "head")


def _front(root: ET.Element, places: Sequence[tuple[int, int]]) -> None:
    corners, last = [f"{_LEFT},{_TOP + _HEIGHT}"], _TOP + _HEIGHT
    for x, y in places:
        corners += [f"{x},{last}", f"{x},{y}"]
        last = y
    ET.SubElement(root, "polyline", {"class": "front", "points": " ".join(corners)})
    left, free = 0, _TOP + _HEIGHT
    for number, (x, y) in enumerate(places, start=1):
        ET.SubElement(root, "circle", {"class": "point", "cx": str(x), "cy": str(y), "r": "3"})
        if y <= free or x >= left:  # else the number would lie on the one before
            add_text(root, x - 4, y - 5, str(number), anchor="end")
            left, free = x + 2 * _APART, y - _APART
