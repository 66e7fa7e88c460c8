# SPDX-License-Identifier: GPL-2.0-only
"""Docstrings for Sphinx: sentences with `names` between backticks, and no other mark-up."""

from __future__ import annotations

import re
from typing import Any

_CODE = re.compile(r"(`[^`]*`)")
_MARKS = re.compile(r"(?<=\w)_(?!\w)|[*|\\]")


def plain(*arguments: Any) -> None:
    """Escape what reStructuredText would read as a mark, such as the end of CONFIG_.

    The arguments are those of Sphinx's event; the last one has the lines, which are replaced.
    """
    lines: list[str] = arguments[-1]
    parts = _CODE.split("\n".join(lines))
    text = "".join(p if p[:1] == "`" else _MARKS.sub(r"\\\g<0>", p) for p in parts)
    lines[:] = text.split("\n")
