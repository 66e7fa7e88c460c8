# SPDX-License-Identifier: GPL-2.0-only
"""Which cells there are, and which others each of them needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.engines import ENGINES, MICROVM
from harness.host.errors import UserError
from harness.judge.conclusion import control_of, rests_on
from harness.kernel.series.series import DEFAULT_LINE
from harness.model.cell import Cell
from harness.model.variants import VARIANTS
from harness.model.verdict import Verdict
from harness.scenarios import REFERENCES, SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_IMPOSSIBLE_HOLES = (Verdict.HELD, Verdict.ERROR)


def all_cells(
    line: str = DEFAULT_LINE, variants: Sequence[str] = (), *, engine: str = MICROVM.name
) -> list[Cell]:
    """Return every scenario on every variant that the engine boots, or on those named.

    What a rival makes of a user's own attack nobody has measured: that takes its name. Raises
    UserError for a variant that is not there, or not on this engine.
    """
    check_corpus()
    for name in variants:
        if name not in VARIANTS:
            known = ", ".join(VARIANTS)
            raise UserError(f"there is no variant {name!r}", hint=f"take one of: {known}")
        if not _boots(engine, name):
            raise UserError(
                f"--engine {engine} does not load the policy of {name}",
                hint=f"take --engine {MICROVM.name}",
            )
    chosen = [name for name in variants or VARIANTS if _boots(engine, name)]
    return [
        Cell(line, variant, name)
        for variant in VARIANTS
        if variant in chosen
        for name, scenario in SCENARIOS.items()
        if variant in variants or not (VARIANTS[variant].rival and scenario.origin)
    ]


def _boots(engine: str, variant: str) -> bool:
    """Whether an engine's guests load the policy of a variant, if that is a rival."""
    rival = VARIANTS[variant].rival
    return rival is None or rival.module in ENGINES[engine].policies


def check_corpus() -> None:
    """Raise UserError for a scenario that names a variant that is not there, or gives no reason."""
    for scenario in SCENARIOS.values():
        named = (*scenario.holes, *scenario.denied_by, *scenario.not_applicable)
        for variant in (scenario.control, *named):
            if variant not in VARIANTS:
                known = ", ".join(VARIANTS)
                raise UserError(
                    f"scenario {scenario.name} names the variant {variant!r}, which is not there",
                    hint=f"take one of: {known}",
                )
        for variant, hole in scenario.holes.items():
            impossible = hole.verdict in _IMPOSSIBLE_HOLES and hole.verdict is not scenario.wins
            if impossible or not hole.reason.strip():
                raise UserError(
                    f"scenario {scenario.name} has a hole on {variant} that is none",
                    hint="a hole is a verdict that was lost, and the reason",
                )
        for variant, reason in scenario.not_applicable.items():
            if not reason.strip():
                raise UserError(
                    f"scenario {scenario.name} is n/a on {variant} without a reason",
                    hint="say what the variant lacks",
                )


def closure(cells: Iterable[Cell]) -> list[Cell]:
    """Return the cells and all they rest on, each once: references, controls, then the rest.

    Within those the order goes scenario by scenario, so that the variants' states, which take a
    boot each, are made at the same time.
    """
    needed = dict.fromkeys(other for cell in cells for other in (*rests_on(cell), cell))
    scenarios = list(SCENARIOS)

    def place(cell: Cell) -> tuple[int, int]:
        if cell.scenario in REFERENCES:
            return 0, REFERENCES.index(cell.scenario)
        return 1 if control_of(cell) == cell else 2, scenarios.index(cell.scenario)

    return sorted(needed, key=place)


def variants_needed(cells: Iterable[Cell]) -> list[str]:
    """Return the variants of the cells and of all they rest on."""
    needed = {cell.variant for cell in closure(cells)}
    return [name for name in VARIANTS if name in needed]
