# SPDX-License-Identifier: GPL-2.0-only
"""Whether an attack arrived: calls of the kernel functions that the witness watched (rule 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.model.attempt_end import End

if TYPE_CHECKING:
    from harness.model.variants import Variant
    from harness.scenarios.registry import Scenario
    from harness.witness.tally import Tally

LOCKED_DOWN = "security_locked_down"
"""The hook that the kernel calls before root does what lockdown may forbid."""


def watched(scenario: Scenario, variant: Variant) -> list[str]:
    """The functions that prove an attack's arrival, in the order of the witness's counters."""
    is_locked = variant.locked and scenario.lockdown
    names = (
        scenario.reach,
        scenario.no_target_at,
        LOCKED_DOWN if is_locked else None,
        *_denials(variant),
    )
    return list(dict.fromkeys(name for name in names if name))


@dataclass(frozen=True)
class Arrival:
    """The calls of the watched functions during one attack."""

    scenario: Scenario
    variant: Variant
    before: Tally
    """The tally before the attack."""
    attacked: Tally
    """The tally when the attack had ended."""

    def reached(self, end: End) -> int | None:
        """How often the function that proves the arrival was called. None: no function can.

        `end` is how the attack ended by its own account: it decides which function counts.
        """
        if end is End.LOCKED_DOWN:
            return self._calls(LOCKED_DOWN)
        if self.variant.policy and end is End.REFUSED:
            # A policy may refuse a call before the kernel gets to the scenario's function.
            return self._calls_of_reach() or self._calls_of_denials()
        if self.variant.policy and end is End.DENIED:
            return self._calls_of_denials()
        function = self._proof(end)
        if function is not None:
            return self._calls(function, in_call=end is End.REFUSED and self._on_handler)
        return None if self._needs_no_proof(end) else 0

    def _proof(self, end: End) -> str | None:
        """The function whose call proves the arrival, None if the scenario names none."""
        if end is not End.NO_TARGET:
            return self.scenario.reach
        if self.scenario.no_target_at:
            return self.scenario.no_target_at
        # A process is checked before it is spared. A thread may be spared without a check.
        return None if self._is_thread else self.scenario.reach

    def _needs_no_proof(self, end: End) -> bool:
        """Whether the attack may hold although no function proves its arrival.

        The host or the witness delivers such an attack, or there is none, or a kernel thread was
        no target for it. Any other attack has to name a function (rule 3).
        """
        scenario = self.scenario
        if scenario.is_reference or scenario.from_host or scenario.inside:
            return True
        return end is End.NO_TARGET and self._is_thread

    @property
    def _is_thread(self) -> bool:
        return self.variant.is_thread

    @property
    def _on_handler(self) -> bool:
        """Whether the attack aims at the handler itself, not at its start or at any task."""
        return self.scenario.target == "handler"

    def _calls_of_reach(self) -> int:
        """How often a refused attack called its function."""
        reach = self.scenario.reach
        return self._calls(reach, in_call=self._on_handler) if reach else 0

    def _calls_of_denials(self) -> int:
        return sum(self._calls(name) for name in _denials(self.variant))

    def _calls(self, function: str, *, in_call: bool = False) -> int:
        """How often a watched function was called, with the handler as its object or at all.

        `in_call`: from the attacking system call. A refusal is that call's, and other calls of
        the function prove nothing about it: to read /proc/<pid>/stat the kernel checks access, too.
        """
        place = watched(self.scenario, self.variant).index(function)
        was, seen = self.before.named[place], self.attacked.named[place]
        if in_call:
            on_handler = seen.on_handler_in_call - was.on_handler_in_call
            elsewhere = seen.elsewhere_in_call - was.elsewhere_in_call
        else:
            on_handler = seen.on_handler - was.on_handler
            elsewhere = seen.elsewhere - was.elsewhere
        if not self._on_handler or function in (LOCKED_DOWN, *_denials(self.variant)):
            return on_handler + elsewhere
        return on_handler


def _denials(variant: Variant) -> tuple[str, ...]:
    return variant.policy.denials if variant.policy else ()
