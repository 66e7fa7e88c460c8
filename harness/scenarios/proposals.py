# SPDX-License-Identifier: GPL-2.0-only
"""Expected verdicts of the proposals: the attacks that win although a proposal claims to stop them.

`proposals.toml` in this folder has the attacks that were measured to win on a proposal, and the
reason. Every other attack must give the verdict that it gives on `isolated`: what `isolated` loses,
a proposal loses as well.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.model.variants import VARIANTS
from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = Path(__file__).with_name("proposals.toml")

PROPOSALS = tuple(name for name, variant in VARIANTS.items() if variant.proposed)
"""The variants that another author proposed."""


@dataclass(frozen=True)
class MeasuredWin:
    """The reason why an attack wins on a proposal. `partly` is as in `Hole`."""

    reason: str
    partly: bool = False
    verdict: Verdict | None = None
    """The verdict, where it is not that of all the attack's effects."""
    since: str = ""
    """As in `Hole`."""


@cache
def measured_wins(path: Path = FILE) -> Mapping[str, Mapping[str, MeasuredWin]]:
    """Return the wins on the proposals, by attack and variant.

    Raises ValueError for an attack that is named twice for a variant.
    """
    found: dict[str, dict[str, MeasuredWin]] = {}
    for group in tomllib.loads(path.read_text())["measured"]:
        verdict = Verdict(group["verdict"]) if "verdict" in group else None
        partly, since = group.get("partly", False), group.get("since", "")
        win = MeasuredWin(group["reason"], partly, verdict, since)
        for name in group["attacks"]:
            wins = found.setdefault(name, {})
            for variant in group["variants"]:
                if variant in wins:
                    raise ValueError(f"{path.name} names {name} twice for {variant}")
                wins[variant] = win
    return found
