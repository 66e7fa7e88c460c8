# SPDX-License-Identifier: GPL-2.0-only
"""Plans: the names of a cell resolved, once, to what the cell runs with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.lab.applicability import Inapplicable
    from harness.lab.images import BootImages
    from harness.model.cell import Cell
    from harness.model.variants import Variant
    from harness.scenarios.registry import Scenario


@dataclass(frozen=True)
class MachinePlan:
    """A machine of a variant."""

    variant: Variant
    images: BootImages
    cpus: int = 1
    boot: str = ""
    """Boot parameters besides those of the variant."""
    inside: bool = False
    """Whether the attack is made by the handler itself, which the witness replaces for that."""
    counts: bool = False
    """Whether its clock counts instructions in place of time (harness/vm/spec.py)."""

    @property
    def has_backdoor(self) -> bool:
        """Whether the handler has been replaced before the attack, by a rehearsal of it."""
        return self.variant.rehearsed and self.inside


@dataclass(frozen=True)
class CellPlan:
    """A cell with its scenario, its variant and the images that its machine boots."""

    cell: Cell
    scenario: Scenario
    variant: Variant
    images: BootImages
    inapplicable: Inapplicable | None
    """Why the cell is `n/a`. None: the cell can run."""
    without: tuple[str, ...] = ()
    """The defences that the cell's machine leaves out."""

    @property
    def machine(self) -> MachinePlan:
        """The machine on which the cell runs."""
        scenario = self.scenario
        return MachinePlan(self.variant, self.images, scenario.cpus, scenario.boot, scenario.inside)
