# SPDX-License-Identifier: GPL-2.0-only
"""How an attack ended, by the attacker's own account: a reason to doubt, never a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache


class End(Enum):
    """The ways an attack can end, and the reasons for which it was not made."""

    COMPLETED = "completed"
    """The attack came to its end."""
    REFUSED = "refused"
    """The attacking call failed with an errno that the scenario declares in `refused`."""
    NO_TARGET = "no target"
    """The attacking call failed with an errno that the scenario declares in `no_target`."""
    LOCKED_DOWN = "locked down"
    """Lockdown refused a call that the scenario declares in `lockdown`."""
    DENIED = "denied"
    """A rival's policy refused a call."""
    BROKEN = "broken"
    """The attack failed otherwise, such as in its set-up or with an undeclared errno."""
    NOT_TRIED = "not tried"
    """The scenario declares that the variant lacks what the attack needs."""
    LACKING = "not tried: lacking"
    """The kernel or the engine lacks what the attack needs."""
    LOST = "lost"
    """The machine was lost."""
    UNKNOWN = ""
    """Nothing came back from the cell."""


@dataclass(frozen=True)
class AttemptEnd:
    """How an attack ended, and the particulars for people, such as `EPERM at openat`."""

    end: End
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.end.value}: {self.detail}" if self.detail else self.end.value

    @staticmethod
    @lru_cache(maxsize=1024)
    def parse(text: str) -> AttemptEnd:
        """Return the end that `str()` made the text of, as results keep it. Raises ValueError."""
        for said, end in _LONGEST_FIRST:
            if text == said:
                return AttemptEnd(end)
            if text.startswith(f"{said}: "):
                return AttemptEnd(end, text.removeprefix(f"{said}: "))
        raise ValueError(f"{text!r} does not tell how an attack ended")


_LONGEST_FIRST = sorted(
    ((end.value, end) for end in End), key=lambda entry: len(entry[0]), reverse=True
)
"""The ends after their values. One value is the beginning of another."""
