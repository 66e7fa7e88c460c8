# SPDX-License-Identifier: GPL-2.0-only
"""The texts of the page's data: made harmless, of limited length, and each kept once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.report.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 2000
"""The most characters of a text. A guest may have written it."""


class Texts:
    """A list of texts without doubles. The data name a text by its place in the list."""

    def __init__(self) -> None:
        """Begin with the empty text, whose place is 0."""
        self._places = {"": 0}
        self._known: dict[str, int] = {}
        """The place of each text as it was given: most are given many times."""

    def place(self, text: str) -> int:
        """Return the place of a text, escaped and shortened."""
        place = self._known.get(text)
        if place is None:
            place = self._places.setdefault(shown(text), len(self._places))
            self._known[text] = place
        return place

    def places(self, texts: Iterable[str]) -> list[int]:
        """Return the places of several texts."""
        return [self.place(text) for text in texts]

    @property
    def every(self) -> list[str]:
        """The texts, in the order of their places."""
        return list(self._places)


def shown(text: str) -> str:
    """Return a text for the page: unprintable characters escaped, and the end of a long one cut."""
    cut = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    return printable(cut)
