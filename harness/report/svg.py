# SPDX-License-Identifier: GPL-2.0-only
"""What our pictures share: a frame with a title and a description, for screen readers, and text."""

from __future__ import annotations

from xml.etree import ElementTree as ET


def picture(width: int, height: int, *, title: str, description: str, style: str) -> ET.Element:
    """Return an SVG of this size, in pixels, with nothing on its paper.

    `style` is empty for a picture in a page that has the style.
    """
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width} {height}",
            "width": str(width),
            "role": "img",
            "aria-labelledby": "title description",
        },
    )
    ET.SubElement(root, "title", id="title").text = title
    ET.SubElement(root, "desc", id="description").text = description
    if style:
        ET.SubElement(root, "style").text = style
    ET.SubElement(root, "rect", {"class": "paper", "width": str(width), "height": str(height)})
    return root


def add_text(
    root: ET.Element, x: int, y: int, said: str, kind: str = "", anchor: str = "start"
) -> None:
    """Add a text at a place. `kind` is its CSS class, if it has one."""
    place = {"x": str(x), "y": str(y), "text-anchor": anchor}
    ET.SubElement(root, "text", {**place, **({"class": kind} if kind else {})}).text = said


def drawn(root: ET.Element) -> str:
    """Return the SVG as text."""
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode")
