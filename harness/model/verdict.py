# SPDX-License-Identifier: GPL-2.0-only
"""The words for what an attack did to the handler, worst last."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Verdict(StrEnum):
    """What the host concludes about one cell (docs/explanation/verdicts.md)."""

    HELD = "held"
    """The attack arrived, and was refused or had no effect."""
    LEAKED = "leaked"
    """A secret that only the handler held reached the attacker."""
    DISRUPTED = "disrupted"
    """The handler died, hung, slowed down or was restarted, and nothing wrong was accepted."""
    TAMPERED = "tampered"
    """The kernel accepted a wrong reply, the handler's state was changed, or it escaped."""
    NOT_APPLICABLE = "n/a"
    """The variant, the kernel or the engine lacks what the attack needs."""
    ERROR = "error"
    """There is no conclusion."""


class Effect(Enum):
    """What a scenario sets out to do, and the verdict it wins with on its control."""

    NONE = "none"
    """The attack must have no effect anywhere: it wins with `held`."""
    STEP = "step"
    """Gain what other attacks need, such as an address. The handler loses nothing: `held`."""
    CONFIDENTIALITY = "confidentiality"
    """Read the handler's secret: `leaked`."""
    AVAILABILITY = "availability"
    """Stop the handler's service or slow it down: `disrupted`."""
    INTEGRITY = "integrity"
    """Change the handler's replies or its state: `tampered`."""
    ESCAPE = "escape"
    """Leave the handler from code that already runs inside it: `tampered`."""

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
    """Whether a wrong reply was accepted, or the handler's state changed."""
    availability: bool = False
    """Whether replies were missing or late, or the handler was restarted."""
    confidentiality: bool = False
    """Whether the attacker got a secret of the handler."""

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
