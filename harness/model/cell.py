# SPDX-License-Identifier: GPL-2.0-only
"""One cell of the matrix: what it is called and what came out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from harness.model.attempt_end import AttemptEnd  # noqa: TC001 - as the next line
from harness.model.verdict import Axes, Verdict  # noqa: TC001 - outcome.json is read by these types


class Cell(Struct, frozen=True, cache_hash=True, gc=False):
    """One scenario on one variant of one kernel line.

    Cells are the keys of most tables, so a cell remembers its hash. It refers to text alone, so the
    garbage collector need not look at it.
    """

    line: str
    """The name of the kernel line, such as `6.12`, or of the user's kernel."""
    variant: str
    """The name of the variant."""
    scenario: str
    """The name of the scenario."""

    @property
    def id(self) -> str:
        """The name used by pytest, in results and in folder names."""
        return f"{self.line}-{self.variant}-{self.scenario}"


@dataclass(frozen=True)
class Outcome:
    """What one cell gave, before its control and reference cells are looked at."""

    verdict: Verdict
    """The verdict by itself."""
    axes: Axes
    """What was lost, axis by axis."""
    detail: str
    """The particulars of the verdict, or the reason for an `error` or an `n/a`."""
    seconds: float
    """Wall time from the machine's start to its end."""
    image: str
    """The key of the kernel image."""
    attempt_end: AttemptEnd
    """How the attack ended, by its own account."""
    carried_out: bool = False
    """Whether the attack got to its end."""
    wrongs: tuple[str, ...] = ()
    """What was wrong with the handler: a wrong reply, or the names of violations."""
    hooks: tuple[str, ...] = ()
    """The `security_*` functions that were called on the handler during the attack (L5)."""
    refusable: tuple[str, ...] = ()
    """Those of `hooks` that can refuse."""
    gained: tuple[str, ...] = ()
    """What the attack got hold of."""
    tries: tuple[int, int] = (0, 0)
    """Of a race, by its own account: how many tries it won, and how many it made."""
    rounds: int = 1
    """How often the attack was made, each time on a fresh machine."""
    retry: bool = False
    """There is no conclusion because the machine stood still. The next run may give one."""
    witness: dict[str, Any] = field(default_factory=dict)
    """The witness's tallies, ready for JSON."""
    attempt: list[dict[str, Any]] = field(default_factory=list)
    """The attacker's system calls, ready for JSON."""
    console: str = ""
    """What the guest printed, escaped and capped."""
    traceback: str = ""
    """Where an error of Python happened, in the attack's own code or in the harness."""
    rests_on: str = ""
    """The hash of all that the cell rests on (harness/run/grounds.py); empty if it is not known."""
    kept: str = ""
    """The name of the run in which the cell ran, if this run has it from there."""
    undumped: str = ""
    """Why there is no dump of the machine although the cell is not as expected."""
