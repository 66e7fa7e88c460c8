# SPDX-License-Identifier: GPL-2.0-only
"""One cell of the matrix: what it is called and what came out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.model.verdict import Axes, Verdict  # noqa: TC001 - outcome.json is read by these types


@dataclass(frozen=True)
class Cell:
    """One scenario on one variant of one kernel line."""

    line: str
    variant: str
    scenario: str

    @property
    def id(self) -> str:
        """The name used by pytest, in results and in folder names."""
        return f"{self.line}-{self.variant}-{self.scenario}"


LACKING = "not tried: lacking"
"""How an attack ended that was not made, because the kernel lacks what it takes."""


@dataclass(frozen=True)
class Outcome:
    """What one cell gave, before its control and reference cells are looked at.

    `seconds` is wall time from the machine's start to its end; `witness` and `attempt` are
    JSON-able; `console` is escaped and capped; `image` is the kernel image's key; `carried_out`
    tells whether the attack got to its end, `wrongs` what was wrong with the handler; `hooks` are
    the `security_*` functions that were called on it during the attack (L5), `refusable` those of
    them that can say no; `gained` is what the attack got hold of, `tries` of how many times it won,
    by its own account: (won, made); `rounds` is how often it was made from a fresh machine;
    `undumped` says why there is no dump of the machine although one was due.
    """

    verdict: Verdict
    axes: Axes
    detail: str
    seconds: float
    image: str
    attempt_end: str
    carried_out: bool = False
    wrongs: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    refusable: tuple[str, ...] = ()
    gained: tuple[str, ...] = ()
    tries: tuple[int, int] = (0, 0)
    rounds: int = 1
    witness: dict[str, Any] = field(default_factory=dict)
    attempt: list[dict[str, Any]] = field(default_factory=list)
    console: str = ""
    undumped: str = ""
