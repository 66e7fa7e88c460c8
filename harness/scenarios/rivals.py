# SPDX-License-Identifier: GPL-2.0-only
"""What the rivals' policies were measured to stop, and where an attack wins otherwise (L5).

A rival promises nothing: each attack is expected to win there as on `baseline` unless the file of
its name, beside this one, says that the policy stops it, and by what it does.
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

    from harness.model.variants import Policy

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Measured:
    """What one attack comes to on a rival, and why; `partly` as of a hole."""

    verdict: Verdict
    reason: str
    partly: bool = False


def measured_on(rival: str) -> Mapping[str, Measured]:
    """Return what was measured of each attack that does not win there as on `baseline`.

    Raises ValueError for an attack that is named twice.
    """
    return _read(_FOLDER / f"{rival}.toml")


@cache
def _read(path: Path) -> Mapping[str, Measured]:
    found: dict[str, Measured] = {}
    for group in tomllib.loads(path.read_text())["measured"]:
        one = Measured(Verdict(group["verdict"]), group["reason"], group.get("partly", False))
        for name in group["attacks"]:
            if name in found:
                raise ValueError(f"{path.name} names {name} twice")
            found[name] = one
    return found


RIVALS = tuple(name for name, variant in VARIANTS.items() if variant.rival)
"""The variants under a policy that is not ours."""


def asleep(policy: Policy, reason: str) -> dict[str, str]:
    """Where its module is not active, but for `baseline`, the control: for `not_applicable`."""
    return {
        name: reason
        for name, variant in VARIANTS.items()
        if variant.rival is not policy and name != "baseline"
    }
