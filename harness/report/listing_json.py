# SPDX-License-Identifier: GPL-2.0-only
"""Cells of the corpus as JSON: the object that `umd-harness list --format json` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from harness.model.verdict import Verdict
from harness.report.listing import is_known_hole, reason_of
from harness.surface.configs import reachable_with

if TYPE_CHECKING:
    from harness.model.variants import Variant
    from harness.report.listing import ListedCells
    from harness.scenarios.registry import Scenario

SCHEMA = 1
"""Changes with the fields and their meaning."""


class ListedVariant(Struct, frozen=True, kw_only=True):
    """A variant that has cells in the list."""

    name: str
    """The name for `--variant`."""

    summary: str
    """What it is, in a line."""


class ExpectedVerdict(Struct, frozen=True, kw_only=True):
    """A cell: what a scenario should give on a variant."""

    variant: str
    """The name of the variant."""

    verdict: Verdict
    """The verdict that the variant should give."""

    reason: str
    """Why it gives this verdict, as the scenario declares; empty if it declares nothing."""

    is_known_hole: bool
    """Whether the variant should hold the attack, and is declared not to."""


class ListedScenario(Struct, frozen=True, kw_only=True):
    """A scenario, and its verdicts on the variants."""

    name: str
    """The name for `-k`."""

    summary: str
    """What the attack does, in a line."""

    effects: list[str]
    """What the attack sets out to do, such as `integrity`."""

    surface: str
    """The row of the attack surface."""

    reach: str
    """The kernel function that the attack must reach or goes through; empty if none is declared."""

    reachable_with: list[str]
    """The kernels whose configuration has what the attack needs."""

    answers: list[str]
    """The requirements that the attack tests."""

    control: str
    """The variant on which the attack must win in the same run."""

    expected: list[ExpectedVerdict]
    """The cells of the scenario, in the order of the variants."""


class CorpusList(Struct, frozen=True, kw_only=True):
    """The whole object."""

    schema: int
    """The version of these fields."""

    line: str
    """The kernel line of the cells."""

    variants: list[ListedVariant]
    """The variants, in the order of the matrix."""

    scenarios: list[ListedScenario]
    """The scenarios, in the order of the matrix."""


def json_listing(cells: ListedCells, *, line: str) -> str:
    """Return the cells as a JSON object, whose fields are in the order of their declaration."""
    listed = CorpusList(
        schema=SCHEMA,
        line=line,
        variants=[ListedVariant(name=one.name, summary=one.summary) for one in cells.variants],
        scenarios=[_scenario(one, cells.variants_of(one)) for one in cells.scenarios],
    )
    return msgspec.json.format(msgspec.json.encode(listed), indent=1).decode()


def _scenario(one: Scenario, variants: list[Variant]) -> ListedScenario:
    return ListedScenario(
        name=one.name,
        summary=one.summary,
        effects=[effect.value for effect in one.effects],
        surface=one.surface,
        reach=one.reach or one.through,
        reachable_with=list(reachable_with(one)),
        answers=list(one.answers),
        control=one.control,
        expected=[
            ExpectedVerdict(
                variant=variant.name,
                verdict=one.expected(variant),
                reason=reason_of(one, variant),
                is_known_hole=is_known_hole(one, variant),
            )
            for variant in variants
        ],
    )
