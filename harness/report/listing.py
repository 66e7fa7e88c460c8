# SPDX-License-Identifier: GPL-2.0-only
"""The corpus as text: what `umd-harness list` prints."""

from __future__ import annotations

from harness.matrix import check_corpus
from harness.report.text import summary_of, visible
from harness.scenarios import REFERENCES, SCENARIOS, Scenario
from harness.variants import VARIANTS


def listing() -> str:
    """Return a paragraph per scenario and a line per variant; raises UserError."""
    check_corpus()
    paragraphs = [_paragraph(scenario) for scenario in SCENARIOS.values()]
    width = _width()
    variants = [f"  {variant.name:<{width}}  {variant.summary}" for variant in VARIANTS.values()]
    return "\n".join([*paragraphs, "variants:", *variants])


def _paragraph(scenario: Scenario) -> str:
    answers = ", ".join(scenario.answers)
    effect = scenario.effect.name.lower()
    head = f"{scenario.name}  (effect {effect}, surface {scenario.surface}, answers {answers})"
    lines = [head, f"    {summary_of(scenario.name)}"]
    width = _width()
    for variant in VARIANTS:
        lines.append(
            f"    {variant:<{width}}  {scenario.expected(variant)}{_note(scenario, variant)}"
        )
    return "\n".join(lines) + "\n"


def _width() -> int:
    return max(map(len, VARIANTS))


def _note(scenario: Scenario, variant: str) -> str:
    reason = scenario.reason(variant)
    if reason is not None:
        hole = "known hole: " if VARIANTS[variant].handler else ""  # the reference has none
        return f"  {hole}{visible(reason)}"
    if variant in scenario.not_applicable:
        return f"  {visible(scenario.not_applicable[variant])}"
    if scenario.name in REFERENCES:
        return "  reference"
    return "  control" if variant == scenario.control else ""
