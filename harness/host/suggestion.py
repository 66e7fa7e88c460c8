# SPDX-License-Identifier: GPL-2.0-only
"""The hint for a word that nothing is named."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def hint_for(word: str, known: Iterable[str], *, otherwise: str = "", likeness: float = 0.6) -> str:
    """Return `did you mean …?` with the name that is most like the word, or begins with it.

    If there is none, return `otherwise`, or all names. `likeness` is difflib's, from 0 to 1.
    """
    names = list(known)
    longer = [name for name in names if word.strip("-") and name.startswith(word)]
    if near := get_close_matches(word, names, n=1, cutoff=likeness) or longer:
        return f"did you mean {near[0]}?"
    return otherwise or f"take one of: {', '.join(names)}"
