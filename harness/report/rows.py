# SPDX-License-Identifier: GPL-2.0-only
"""The rows that a text takes, counted before it is printed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, TextIO

from rich.cells import cell_len
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable


def plain_console(file: TextIO, *, width: int) -> Console:
    """Return a console for text without styles: a file, or a text that is measured."""
    return Console(file=file, width=width, markup=False, emoji=False, highlight=False)


def rows_of(draw: Callable[[Console], None], width: int) -> int:
    """Return how many rows of a terminal of this width `draw` fills. Long lines are wrapped."""
    text = io.StringIO()
    draw(plain_console(text, width=width))
    lines = text.getvalue().splitlines()
    return sum(max(1, -(-cell_len(line.rstrip()) // width)) for line in lines)
