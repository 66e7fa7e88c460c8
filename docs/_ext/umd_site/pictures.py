# SPDX-License-Identifier: GPL-2.0-only
"""Pictures drawn from text: Graphviz draws them, and they take the colours of the page."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from xml.etree import ElementTree as ET

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

from harness.host.paths import CHECKOUT

if TYPE_CHECKING:
    from sphinx.writers.html5 import HTML5Translator

_SECONDS = 60.0
_SVG = "http://www.w3.org/2000/svg"
_LAYER = re.compile(r"^\| `(harness/\w+/)` \| (.*?) \|$", re.MULTILINE)


class PictureNode(nodes.General, nodes.Inline, nodes.Element):  # type: ignore[misc]
    """A picture: its SVG, and the sentence that stands for it where no picture is shown."""


class Picture(SphinxDirective):
    """`picture NAME` draws docs/pictures/NAME.dot; `layers` is made from CONTRIBUTING.md."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Draw it."""
        name = self.arguments[0]
        if name == "layers":
            self.env.note_dependency(str(CHECKOUT / "CONTRIBUTING.md"))
            source = layers((CHECKOUT / "CONTRIBUTING.md").read_text())
        else:
            path = Path(self.env.srcdir) / "pictures" / f"{name}.dot"
            self.env.note_dependency(str(path))
            source = path.read_text()
        alt = self.options["alt"]
        return [PictureNode(svg=svg_of(source, alt), alt=alt)]


def layers(contributing: str) -> str:
    """Return the folders of harness/ as Graphviz text: a stack, from the top layer down."""
    rows = [
        f'<tr><td align="left"><b>{name}</b></td><td align="left">{_html(content)}</td></tr>'
        for name, content in _LAYER.findall(contributing)
    ]
    if not rows:
        raise ValueError("CONTRIBUTING.md has no list of the folders of harness/")
    body = "".join(rows)
    return (
        'digraph layers { node [shape=plain]; stack [label=<<table border="0" cellborder="1" '
        f'cellspacing="0" cellpadding="5">{body}</table>>]; }}'
    )


def _html(markdown: str) -> str:
    text = re.sub(r"[*`]", "", markdown)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@cache
def svg_of(source: str, alt: str) -> str:
    """Draw Graphviz text as an SVG whose lines and letters have the colour of the text around.

    Raises OSError without Graphviz, and CalledProcessError for text that is none of its.
    """
    plain = ["-Gbgcolor=transparent", "-Gfontname=sans-serif", "-Nfontname=sans-serif"]
    done = subprocess.run(
        ["dot", "-Tsvg", *plain, "-Efontname=sans-serif", "-Nfontsize=12", "-Efontsize=11"],
        input=source,
        capture_output=True,
        text=True,
        check=True,
        timeout=_SECONDS,
    )
    ET.register_namespace("", _SVG)
    root = ET.fromstring(done.stdout)  # noqa: S314 - dot's, of our own text
    for element in list(root.iter()):
        for attribute in ("fill", "stroke"):
            if element.get(attribute) == "black":
                element.set(attribute, "currentColor")
        if element.tag == f"{{{_SVG}}}text" and element.get("fill") is None:
            element.set("fill", "currentColor")
        for child in element.findall(f"{{{_SVG}}}title"):
            element.remove(child)  # a tooltip with the name of a node
    root.attrib.pop("height", None)  # the picture shrinks with the page, and keeps its proportions
    root.set("role", "img")
    root.set("aria-label", alt)
    root.set("class", "picture")
    return ET.tostring(root, encoding="unicode")


def draw(self: HTML5Translator, node: PictureNode) -> None:
    """Put the picture into the page."""
    self.body.append(f'<div class="picture">{node["svg"]}</div>')
    raise nodes.SkipNode


def say(self: Any, node: PictureNode) -> None:
    """Say what the picture shows, where there are only letters."""
    self.add_text(node["alt"])
    raise nodes.SkipNode
