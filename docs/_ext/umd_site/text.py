# SPDX-License-Identifier: GPL-2.0-only
"""Sentences of the code as Markdown."""

from __future__ import annotations

import re

_CODE = re.compile(r"(`[^`]*`)")
_MARKS = re.compile(r"([\\*_<>\[\]|{}$])")


def prose(text: str) -> str:
    """Escape what Markdown would read as a mark; what is between backticks stays code."""
    parts = _CODE.split(" ".join(text.split()))
    return "".join(part if part[:1] == "`" else _MARKS.sub(r"\\\1", part) for part in parts)


def sentence(text: str) -> str:
    """Return a description as a sentence: with a capital letter and a full stop."""
    said = prose(text)
    return f"{said[:1].upper()}{said[1:].rstrip('.')}."


def code(name: str) -> str:
    """Return a name as code."""
    return f"`{name}`"


def table(*rows: list[str]) -> str:
    """Return a table, whose first row is its head."""
    head, *rest = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rest))


def toctree(entries: list[str]) -> str:
    """Return what puts pages into the site's navigation."""
    return "\n".join(["```{toctree}", ":hidden:", "", *entries, "```"])
