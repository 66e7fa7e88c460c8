# SPDX-License-Identifier: GPL-2.0-only
"""Known holes that several variants have alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model.variants import VARIANTS
from harness.scenarios.registry import Hole

if TYPE_CHECKING:
    from harness.model.verdict import Verdict


def on_isolated(verdict: Verdict, reason: str, *, partly: bool = False) -> dict[str, Hole]:
    """The same hole on every such variant, debugging allowed (R7) or not."""
    hole = Hole(verdict, reason, partly)
    return {v.name: hole for v in VARIANTS.values() if v.protects and v.handler}


def on_debug(verdict: Verdict, reason: str) -> dict[str, Hole]:
    """Where debugging is allowed (R7), which lets an attack only so far."""
    return {v.name: Hole(verdict, reason, partly=True) for v in VARIANTS.values() if v.debug}


def on_kthread(verdict: Verdict, reason: str, *, partly: bool = False) -> dict[str, Hole]:
    """The reference fares no better: parity, and the reason why."""
    hole = Hole(verdict, f"parity: {reason}", partly)
    return {v.name: hole for v in VARIANTS.values() if not v.handler}


def on_both(verdict: Verdict, reason: str, *, partly: bool = False) -> dict[str, Hole]:
    """Nobody is spared, the reference included: full parity."""
    isolated = on_isolated(verdict, reason, partly=partly)
    return isolated | on_kthread(verdict, reason, partly=partly)


NO_BLOB = {v.name: "a kernel thread has no blob" for v in VARIANTS.values() if not v.handler}
"""Where nothing is executed to start a handler: for `not_applicable`."""
