# SPDX-License-Identifier: GPL-2.0-only
"""The words for what an attack did to the handler, worst last."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Verdict(StrEnum):
    """What the host concludes about one cell (docs/explanation/glossary.md)."""

    HELD = "held"
    LEAKED = "leaked"
    DISRUPTED = "disrupted"
    TAMPERED = "tampered"
    NOT_APPLICABLE = "n/a"
    ERROR = "error"


class Effect(Enum):
    """What a scenario sets out to do, and the verdict it wins with on its control.

    ESCAPE goes the other way: code that already runs inside the handler tries to get out.
    STEP gains what other attacks need, such as an address, and loses the handler nothing.
    """

    NONE = "none"
    STEP = "step"
    CONFIDENTIALITY = "confidentiality"
    AVAILABILITY = "availability"
    INTEGRITY = "integrity"
    ESCAPE = "escape"

    @property
    def wins(self) -> Verdict:
        """The verdict that shows this effect took place."""
        return _WINS[self]


_WINS = {
    Effect.NONE: Verdict.HELD,
    Effect.STEP: Verdict.HELD,
    Effect.CONFIDENTIALITY: Verdict.LEAKED,
    Effect.AVAILABILITY: Verdict.DISRUPTED,
    Effect.INTEGRITY: Verdict.TAMPERED,
    Effect.ESCAPE: Verdict.TAMPERED,
}


_ORDER = (Verdict.HELD, Verdict.LEAKED, Verdict.DISRUPTED, Verdict.TAMPERED)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some conclusions, in the order held < leaked < disrupted < tampered."""
    return max(verdicts, key=_ORDER.index)


@dataclass(frozen=True)
class Axes:
    """What was lost, axis by axis (R16); the verdict prints the worst of them."""

    integrity: bool = False
    availability: bool = False
    confidentiality: bool = False

    def show(self, effect: Effect) -> bool:
        """Whether this is what the effect would look like."""
        match effect:
            case Effect.CONFIDENTIALITY:
                return self.confidentiality
            case Effect.AVAILABILITY:
                return self.availability
            case Effect.INTEGRITY | Effect.ESCAPE:
                return self.integrity
            case Effect.STEP:
                return True  # no axis is lost by it: what it gains is kept apart
        return self == Axes()

    @property
    def verdict(self) -> Verdict:
        """The worst axis lost, in the order held < leaked < disrupted < tampered."""
        if self.integrity:
            return Verdict.TAMPERED
        if self.availability:
            return Verdict.DISRUPTED
        return Verdict.LEAKED if self.confidentiality else Verdict.HELD


A_STEP = "a step"
"""The word for the loss where an attack gained what others need: it stands beside the axes."""
