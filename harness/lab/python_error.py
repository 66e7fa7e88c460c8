# SPDX-License-Identifier: GPL-2.0-only
"""A Python error in an attack: the line of the attack that it comes from, and its traceback."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_KEPT = 64 << 10  # characters of a traceback; the last ones name the error


def described(error: BaseException, attack: Callable[..., object]) -> str:
    """Return `file:line: type: text`, with the last line in the folder of the attack's file.

    An attack may call functions of modules beside it. An error that comes from no such file is
    described without a line.
    """
    folder = Path(attack.__code__.co_filename).parent
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).parent == folder]
    where = f"{Path(own[-1].filename).name}:{own[-1].lineno}: " if own else ""
    return f"{where}{type(error).__name__}: {error}"


def traceback_of(error: BaseException) -> str:
    """Return the traceback as printable text: an error may quote the guest."""
    text = "".join(traceback.format_exception(error))[-_KEPT:]
    return "".join(c if c == "\n" or c.isprintable() else ascii(c)[1:-1] for c in text)
