# SPDX-License-Identifier: GPL-2.0-only
"""The corpus as a value: the scenarios and the variants that a command works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.model.variants import VARIANTS
from harness.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.model.variants import Variant
    from harness.scenarios.registry import Scenario


@dataclass(frozen=True)
class Corpus:
    """Scenarios and variants by their names: those that ship, and those that a user brings."""

    scenarios: Mapping[str, Scenario]
    variants: Mapping[str, Variant]


SHIPPED = Corpus(SCENARIOS, VARIANTS)
"""What the package itself holds."""
