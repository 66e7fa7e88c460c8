# SPDX-License-Identifier: GPL-2.0-only
"""Known holes that all variants have alike which protect a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.scenarios.registry import Hole
from harness.variants import VARIANTS

if TYPE_CHECKING:
    from harness.witness.verdict import Verdict


def on_isolated(verdict: Verdict, reason: str) -> dict[str, Hole]:
    """The same hole on every such variant, debugging allowed (R7) or not."""
    hole = Hole(verdict, reason)
    return {v.name: hole for v in VARIANTS.values() if v.protects and v.handler}
