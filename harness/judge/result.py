# SPDX-License-Identifier: GPL-2.0-only
"""The result of a cell: its outcome, judged."""

from __future__ import annotations

from functools import cached_property

from msgspec import Struct

from harness.model.attempt_end import AttemptEnd, End
from harness.model.cell import Cell
from harness.model.variants import Variant
from harness.model.verdict import Axes, Effect, Verdict
from harness.scenarios.registry import Scenario

NO_VERDICT = (Verdict.ERROR, Verdict.NOT_APPLICABLE)
"""The two verdicts that say nothing about the handler."""


class Result(Struct, frozen=True, dict=True):
    """A cell's final result: judged against its control, references and expectation."""

    cell: Cell
    """The names of the kernel line, the variant and the scenario."""
    scenario: Scenario
    """The cell's scenario."""
    variant: Variant
    """The cell's variant."""
    verdict: Verdict
    """The verdict that counts: an `error` if the control or a reference failed."""
    axes: Axes | None
    """What was lost; None without a conclusion."""
    detail: str
    """The verdict's particulars, for people."""
    control: str
    """The variant of the control."""
    control_verdict: Verdict
    """The control's verdict."""
    seconds: float
    """Wall time of the cell, in seconds."""
    image: str
    """The key of the kernel image."""
    attempt_end: AttemptEnd
    """How the attack ended, by the attacker's own account."""
    half: str
    """The effects that a winning attack did not show; empty if it showed all."""
    hooks: tuple[str, ...]
    """The `security_*` functions that were called on the handler during the attack (L5)."""
    refusable: tuple[str, ...]
    """Those of the hooks that can deny the access."""
    gained: tuple[str, ...]
    """What the attack got hold of, for further attacks."""
    tries: tuple[int, int]
    """How many times a race won and was run, by the attacker's account: (won, made)."""
    rounds: int
    """How many times the attack was made from a fresh machine."""
    kept: str = ""
    """The name of the run in which the cell ran; empty if it ran in this one."""

    @cached_property
    def expected(self) -> Verdict:
        """The verdict that the scenario expects of this variant."""
        return self.scenario.expected(self.variant)

    @cached_property
    def hole(self) -> str | None:
        """The reason why this variant loses, if that is a known hole.

        Kernel threads, rivals and proposals have none, nor has a kernel that lacks what the attack
        needs.
        """
        variant = self.variant
        if variant.is_measured or variant.is_thread or self.attempt_end.end is End.LACKING:
            return None
        hole = self.scenario.hole_on(variant)
        return hole.reason if hole else None

    @property
    def unhooked(self) -> bool:
        """Whether an attack from outside won and passed no LSM hook able to deny it (L5)."""
        scenario = self.scenario
        won = bool(self.gained) or self.verdict not in (*NO_VERDICT, Verdict.HELD)
        return won and not (scenario.inside or scenario.from_host or self.refusable)

    @cached_property
    def doubt(self) -> str:
        """Why a result with the expected verdict is still not the expected one; empty if it is.

        A partial attack confirms no hole, unless the hole is declared as partial.
        """
        scenario, hole = self.scenario, self.scenario.hole_on(self.variant)
        if self.axes and Effect.STEP in scenario.effects:
            if self.gained and not scenario.gains(self.variant):
                return f"it gained {', '.join(self.gained)}"
            if not self.gained and scenario.gains(self.variant):
                return "nothing was gained"
        lost = self.axes is not None and self.verdict is not Verdict.HELD
        if not lost or self.verdict is not scenario.wins or (hole and hole.partly):
            return ""
        return self.half

    @cached_property
    def ok(self) -> bool:
        """Whether the result is as expected; an `error` never is."""
        if self.verdict is Verdict.NOT_APPLICABLE and self.attempt_end.end is End.LACKING:
            return True  # with its reason
        as_expected = self.verdict is not Verdict.ERROR and self.verdict == self.expected
        return as_expected and not self.doubt
