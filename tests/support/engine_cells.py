# SPDX-License-Identifier: GPL-2.0-only
"""The cells that run on every engine and are compared with the default engine's results.

Of each file of the corpus, which is a class of attacks, the first two; not those that take the
whole machine down, whose end is the same however it booted, nor those that freeze it, and with it
what an attacker may be reached by, nor those that take a disk, which one engine has.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from harness.engines import ENGINES, MICROVM
from harness.kernel.series.lines import DEFAULT_LINE
from harness.lab.lab import Lab
from harness.model.cell import Cell, Outcome
from harness.model.verdict import Axes, Verdict
from harness.run.pool import run_rounds
from harness.scenarios import SCENARIOS
from harness.scenarios.corpus import SHIPPED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _pytest.mark.structures import ParameterSet

    from harness.scenarios import Scenario

VARIANTS = ("baseline", "isolated")
EACH = 2
FEW = 4


def classes() -> dict[str, list[Scenario]]:
    """The compared scenarios, by the names of their files."""
    found = defaultdict(list)
    for scenario in SCENARIOS.values():
        own = scenario.ends_machine or scenario.freezes or scenario.on_disk
        if not (own or scenario.is_reference):
            found[scenario.attack.__module__].append(scenario)
    return {name: found[name] for name in sorted(found)}


def many() -> list[Cell]:
    """The cells of the comparison."""
    return _cells(scenario for ones in classes().values() for scenario in ones[:EACH])


def few() -> list[Cell]:
    """The cells that CI has time for: of four files the first scenario."""
    return _cells(ones[0] for ones in list(classes().values())[:FEW])


def compared() -> list[ParameterSet]:
    """The cells of the comparison as parameters. The mark `few` is for the cells of CI."""
    marked = set(few())
    return [
        pytest.param(cell, marks=[pytest.mark.few] if cell in marked else [], id=cell.id)
        for cell in many()
    ]


def _cells(scenarios: Iterable[Scenario]) -> list[Cell]:
    return [Cell(DEFAULT_LINE, variant, one.name) for one in scenarios for variant in VARIANTS]


@dataclass
class Engines:
    """Runs cells on any engine, and keeps the default engine's results for the comparison."""

    labs: dict[str, Lab] = field(default_factory=dict)
    usual: dict[Cell, Outcome] = field(default_factory=dict)

    def compare(self, engine: str, cell: Cell) -> None:
        """Fail unless the cell has the same result on `engine` as on the default engine."""
        if cell not in self.usual:
            self.usual[cell] = run_rounds(SHIPPED, self.lab(MICROVM.name), cell)
        usual, found = self.usual[cell], run_rounds(SHIPPED, self.lab(engine), cell)
        assert found.verdict is not Verdict.ERROR, f"{engine}: {found.detail}\n{found.console}"
        assert _told(found) == _told(usual), f"{engine}: {found.detail}; else: {usual.detail}"

    def lab(self, engine: str) -> Lab:
        """The shipped line's lab of an engine."""
        if engine not in self.labs:
            usual = self.labs.get(MICROVM.name) or Lab.open(
                DEFAULT_LINE, VARIANTS, progress=lambda _: None
            )
            ENGINES[engine].check()
            ENGINES[engine].make(progress=lambda _: None)
            self.labs[engine] = replace(usual, engine=ENGINES[engine])
        return self.labs[engine]


def _told(outcome: Outcome) -> tuple[Verdict, Axes, tuple[str, ...]]:
    """The parts of a result that must be equal on every engine: verdict, axes and gains."""
    return outcome.verdict, outcome.axes, outcome.gained
