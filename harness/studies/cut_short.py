# SPDX-License-Identifier: GPL-2.0-only
"""A study that ended before all was measured: its figures so far are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class CutShort(UserError):
    """A study ended early. `found` is what it returns of all that it has measured."""

    def __init__(self, error: UserError, found: object, *, measured: str) -> None:
        """Take the error that ended the study. `measured` says in words what there is."""
        super().__init__(
            f"{error.message}; the figures above are those of {measured}", hint=error.hint
        )
        self.found = found
        self.mark = f"{error.message}; the figures are those of {measured}"


def kept(study: Callable[[], T]) -> tuple[T, CutShort | None]:
    """Do a study. Return what it has measured, and the error if it ended early.

    Raises UserError if there are no figures.
    """
    try:
        return study(), None
    except CutShort as cut:
        return cast("T", cut.found), cut
