# SPDX-License-Identifier: GPL-2.0-only
"""How an attack ended, by the attacker's own account: a reason to doubt, never a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class End(Enum):
    """The ways an attack can end."""

    COMPLETED = "completed"
    REFUSED = "refused"
    NO_TARGET = "no target"
    LOCKED_DOWN = "locked down"
    DENIED = "denied"
    BROKEN = "broken"


@dataclass(frozen=True)
class AttemptEnd:
    """How it ended and the particulars, such as `EPERM at openat`."""

    end: End
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.end.value}: {self.detail}" if self.detail else self.end.value
