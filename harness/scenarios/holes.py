# SPDX-License-Identifier: GPL-2.0-only
"""Known holes that several variants share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model.variants import VARIANTS
from harness.scenarios.registry import Hole

if TYPE_CHECKING:
    from harness.model.verdict import Verdict


def on_isolated(verdict: Verdict, reason: str, *, partly: bool = False) -> dict[str, Hole]:
    """Give every isolated variant this hole, with debugging allowed (R7) or not."""
    hole = Hole(verdict, reason, partly)
    return {v.name: hole for v in VARIANTS.values() if v.protects and not v.is_thread}


def on_debug(verdict: Verdict, reason: str, *, partly: bool = True) -> dict[str, Hole]:
    """Give the variants that allow debugging (R7) this hole."""
    return {v.name: Hole(verdict, reason, partly) for v in VARIANTS.values() if v.debug}


def on_kthread(verdict: Verdict, reason: str, *, partly: bool = False) -> dict[str, Hole]:
    """Give the variants whose handler is a kernel thread this hole: the reference loses as well."""
    hole = Hole(verdict, f"parity: {reason}", partly)
    return {v.name: hole for v in VARIANTS.values() if v.is_thread}


def on_both(verdict: Verdict, reason: str, *, partly: bool = False) -> dict[str, Hole]:
    """Give the isolated variants and the reference the same hole."""
    isolated = on_isolated(verdict, reason, partly=partly)
    return isolated | on_kthread(verdict, reason, partly=partly)


NO_BLOB = {v.name: "a kernel thread has no blob" for v in VARIANTS.values() if v.is_thread}
"""For `not_applicable`: the variants that execute no blob to start a handler."""
