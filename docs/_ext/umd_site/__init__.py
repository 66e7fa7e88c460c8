# SPDX-License-Identifier: GPL-2.0-only
"""The parts of the documentation that are made from the code, each time that the site is built."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from umd_site import (
    attacks,
    commands,
    docstrings,
    findings,
    parsers,
    pytest_plugin,
    results,
    variants,
)
from umd_site.pictures import Picture, PictureNode, draw, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sphinx.application import Sphinx

FOLDERS = ("findings", "reference/attacks", "reference/commands", "reference/generated")
"""All that is in these folders of `docs/` is generated; git ignores them."""


def pages() -> Iterator[tuple[str, str]]:
    """Yield each generated file: its path below `docs/`, and its text in Markdown."""
    for name, text in attacks.pages().items():
        yield f"reference/attacks/{name}.md", text
    for name, text in commands.pages().items():
        yield f"reference/commands/{name}.md", text
    yield from findings.pages()
    yield from parsers.pages()
    yield "reference/generated/attacks.md", attacks.overview()
    yield "reference/generated/commands.md", commands.overview()
    yield "reference/generated/variants.md", variants.overview()
    yield "reference/generated/results.md", results.tables()
    yield "reference/generated/list.md", results.list_tables()
    yield "reference/generated/pytest.md", pytest_plugin.tables()


def write(root: Path, files: Mapping[str, str]) -> None:
    """Write the files that changed, and remove those that are no longer generated."""
    for folder in FOLDERS:
        for path in (root / folder).glob("*"):
            if path.relative_to(root).as_posix() not in files:
                path.unlink()
    for name, text in files.items():
        path = root / name
        if not path.is_file() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def _generate(app: Sphinx) -> None:
    write(Path(app.confdir), dict(pages()))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", _generate)
    app.connect("autodoc-process-docstring", docstrings.plain)
    app.add_directive("picture", Picture)
    app.add_node(PictureNode, html=(draw, None), text=(say, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
