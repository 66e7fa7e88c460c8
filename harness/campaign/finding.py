# SPDX-License-Identifier: GPL-2.0-only
"""A finding: the smallest program that took something from the handler, and how sure that is."""

from __future__ import annotations

import msgspec

from harness.campaign.program import Program, ways
from harness.model.verdict import Verdict

CONFIRMATIONS = 3
"""Machines, each just booted, on which a finding is made again."""


class Finding(msgspec.Struct, frozen=True):
    """What the search has found."""

    program: Program
    verdict: Verdict
    detail: str
    what: str
    """What was lost."""
    lost: tuple[str, ...]
    """The axes that each of them lost, and `kernel` if the kernel reported a fault of its own."""
    confirmed: int
    """On how many of `CONFIRMATIONS` machines it was lost again."""
    reference_verdict: Verdict
    """The verdict on the reference variant after the same program; `error` is no conclusion."""
    reference_lost: tuple[str, ...] = ()
    """The axes that were lost there."""
    early: tuple[str, ...] = ()
    """Those of `lost` that each machine lost before the loader was reloaded."""
    reference_early: tuple[str, ...] | None = None
    """The axes that the reference variant lost before; None if that is not known."""
    hooks: tuple[str, ...] = ()
    """The hooks of security modules that saw the handler."""
    log: str = ""
    """The kernel's log, as the guest claims, if the kernel reported a fault of its own."""

    @property
    def pattern(self) -> tuple[str, ...]:
        """What its program has in common with others of the same way in."""
        return ways(self.program)

    @property
    def key(self) -> tuple[str, tuple[str, ...]]:
        """The same for findings that are one: what was lost, and by which calls."""
        return self.what, self.pattern

    @property
    def is_sure(self) -> bool:
        """Whether every machine lost it again."""
        return self.confirmed == CONFIRMATIONS

    @property
    def counts(self) -> bool:
        """Whether it is sure, and the reference variant is known to lose less by it.

        That can be known of the time before the loader is reloaded alone.
        """
        spared = set()
        if self.reference_verdict is not Verdict.ERROR or self.reference_lost:
            spared |= set(self.lost) - set(self.reference_lost)
        if self.reference_early is not None:
            spared |= set(self.early) - set(self.reference_early)
        return self.is_sure and bool(spared)
