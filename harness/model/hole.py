# SPDX-License-Identifier: GPL-2.0-only
"""A known hole: an attack that a variant does not stop yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.model.verdict import Verdict


@dataclass(frozen=True)
class Hole:
    """An attack that a variant does not stop yet."""

    verdict: Verdict
    """The verdict to expect."""
    reason: str
    """Why the variant loses."""
    partly: bool = False
    """Whether the attack need not show all of its effects to confirm the hole."""
    since: str = ""
    """The first version of Linux with the hole, such as "6.15"; empty for any."""
