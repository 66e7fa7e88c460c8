# SPDX-License-Identifier: GPL-2.0-only
"""Expected verdicts of the rivals: the attacks that their policies stop or limit (L5).

A rival's policy makes no claims. Each attack is expected to win as on `baseline`, unless the file
<rival>.toml in this folder has another verdict for the attack, and the reason. The verdict is `n/a`
where the policy leaves nothing to attack, so that no call could prove a refusal.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.model.hole import Hole
from harness.model.variants import VARIANTS
from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.model.variants import Policy

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class RivalExpectation:
    """The verdict of an attack on a rival, and the reason. The rest is as in `Hole`."""

    verdict: Verdict
    reason: str
    partly: bool = False
    since: str = ""


def rival_expectations(rival: str) -> Mapping[str, RivalExpectation]:
    """Return the measured expectation of each attack that does not win as on `baseline`.

    Raises ValueError for an attack that is named twice.
    """
    return _read(_FOLDER / f"{rival}.toml")


@cache
def _read(path: Path) -> Mapping[str, RivalExpectation]:
    found: dict[str, RivalExpectation] = {}
    for group in tomllib.loads(path.read_text())["measured"]:
        attacks = group.pop("attacks")
        one = RivalExpectation(**{**group, "verdict": Verdict(group["verdict"])})
        for name in attacks:
            if name in found:
                raise ValueError(f"{path.name} names {name} twice")
            found[name] = one
    return found


RIVALS = tuple(name for name, variant in VARIANTS.items() if variant.rival)
"""The variants under a policy that is not ours."""


def measured_on_rivals(attack: str) -> dict[str, RivalExpectation]:
    """Return the rivals that have an expectation of their own of an attack, and the expectation."""
    return {rival: one for rival in RIVALS if (one := rival_expectations(rival).get(attack))}


def on_rivals(attack: str) -> tuple[dict[str, Hole], dict[str, str], dict[str, str]]:
    """Return the rivals whose expectation differs: another win, no win, or nothing to attack."""
    holes: dict[str, Hole] = {}
    denied_by: dict[str, str] = {}
    lacking: dict[str, str] = {}
    for rival, measured in measured_on_rivals(attack).items():
        if measured.verdict is Verdict.HELD:
            denied_by[rival] = measured.reason
        elif measured.verdict is Verdict.NOT_APPLICABLE:
            lacking[rival] = measured.reason
        else:
            holes[rival] = Hole(measured.verdict, measured.reason, measured.partly, measured.since)
    return holes, denied_by, lacking


def asleep(policy: Policy, reason: str) -> dict[str, str]:
    """For `not_applicable`: the variants without the policy's module, except `baseline`."""
    awake = (
        name for name, one in VARIANTS.items() if one.rival and one.rival.module == policy.module
    )
    left_out = VARIANTS.keys() - {"baseline", *awake}
    return {name: reason for name in VARIANTS if name in left_out}
