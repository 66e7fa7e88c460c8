# SPDX-License-Identifier: GPL-2.0-only
"""The corpus as text and as Markdown, for `umd-harness list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.attacker.agent.errors import errno_name
from harness.judge.cells import check_corpus
from harness.report.text import visible
from harness.surface.configs import reachable_with

if TYPE_CHECKING:
    from harness.model.variants import Variant
    from harness.scenarios.corpus import Corpus
    from harness.scenarios.registry import Scenario


def listing(corpus: Corpus) -> str:
    """Return a paragraph for each scenario and a line for each variant. Raises UserError."""
    check_corpus(corpus)
    paragraphs = [_paragraph(scenario, corpus) for scenario in corpus.scenarios.values()]
    width = _width(corpus)
    variants = [
        f"  {variant.name:<{width}}  {variant.summary}" for variant in corpus.variants.values()
    ]
    return "\n".join([*paragraphs, "variants:", *variants])


def markdown_listing(corpus: Corpus) -> str:
    """Return a Markdown page with a section for each file of attacks. Raises UserError."""
    check_corpus(corpus)
    files: dict[str, list[Scenario]] = {}
    for scenario in corpus.scenarios.values():
        files.setdefault(scenario.attack.__module__, []).append(scenario)
    variants = [f"- `{variant.name}`: {variant.summary}" for variant in corpus.variants.values()]
    sections = [_section(module, scenarios, corpus) for module, scenarios in files.items()]
    return "\n\n".join([_PREAMBLE, "\n".join(variants), *sections])


_PREAMBLE = """# The attacks

Printed by `umd-harness list --format markdown`. Each row of a table is an attack. The columns:

- row: the row of the attack surface.
- through: the kernel function that the attack passes.
- reachable with: the kernel configurations that have what the attack needs.
- answers: the requirements that the attack answers (docs/reference/requirements.md).
- a variant: the verdict that the variant should give. `*` marks a variant that loses, or on which a
  step gains; the reason is below the table. `†` marks a variant on which lockdown refuses the
  attack or its tools. `‡` marks a rival whose policy refuses the attack, with the reason below."""


def _section(module: str, scenarios: list[Scenario], corpus: Corpus) -> str:
    about = getattr(scenarios[0].attack, "__globals__", {}).get("__doc__") or module
    title = visible(about.splitlines()[0]).rstrip(".")
    heads = ["attack", "what it does", "effect", "row", "through", "reachable with", "answers"]
    heads += corpus.variants
    table = [heads, ["---"] * len(heads), *(_row(one, corpus) for one in scenarios)]
    lines = [f"| {' | '.join(row)} |" for row in table]
    reasons = _reasons(scenarios, corpus)
    return "\n".join([f"## {title}", "", *lines, *([""] if reasons else []), *reasons])


def _row(scenario: Scenario, corpus: Corpus) -> list[str]:
    verdicts = [f"{scenario.expected(v)}{_mark(scenario, v)}" for v in corpus.variants.values()]
    through = scenario.reach or scenario.through
    function = f"`{through}`" if through else ""
    effect = " and ".join(e.name.lower() for e in scenario.effects)
    summary = visible(scenario.summary).replace("|", "\\|").replace("<", "\\<")
    name = f"`{scenario.name}`"
    kernels, answers = _kernels(scenario), ", ".join(scenario.answers)
    return [name, summary, effect, scenario.surface, function, kernels, answers, *verdicts]


def _mark(scenario: Scenario, variant: Variant) -> str:
    if scenario.hole_on(variant):
        return "*"
    if scenario.denied_on(variant):
        return "‡"
    return "†" if scenario.locked_out(variant) else ""


def _reasons(scenarios: list[Scenario], corpus: Corpus) -> list[str]:
    """Return a line for each reason, with the attacks and variants that have it."""
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for scenario in scenarios:
        reasons = {**scenario.denied_by, **scenario.not_applicable}
        reasons.update({variant: hole.reason for variant, hole in scenario.holes.items()})
        for reason in dict.fromkeys(reasons.values()):
            variants = tuple(
                variant for variant in corpus.variants if reasons.get(variant) == reason
            )
            found.setdefault((reason, variants), []).append(f"`{scenario.name}`")
    return [
        f"- {', '.join(names)} on {', '.join(variants)}: {visible(reason)}"
        for (reason, variants), names in found.items()
    ]


def _paragraph(scenario: Scenario, corpus: Corpus) -> str:
    answers = ", ".join(scenario.answers)
    effect = scenario.effect.name.lower()
    head = f"{scenario.name}  (effect {effect}, surface {scenario.surface}, answers {answers})"
    reachable = f"    reachable with: {_kernels(scenario)}"
    lines = [head, f"    {visible(scenario.summary)}", reachable]
    width = _width(corpus)
    for variant in corpus.variants.values():
        lines.append(
            f"    {variant.name:<{width}}  {scenario.expected(variant)}{_note(scenario, variant)}"
        )
    return "\n".join(lines) + "\n"


def _kernels(scenario: Scenario) -> str:
    return ", ".join(reachable_with(scenario)) or "none"


def _width(corpus: Corpus) -> int:
    return max(map(len, corpus.variants))


def _note(scenario: Scenario, variant: Variant) -> str:
    if hole := scenario.hole_on(variant):
        known = "known hole: " if variant.handler and not variant.rival else ""
        return f"  {known}{visible(hole.reason)}"
    if (reason := scenario.denied_on(variant) or scenario.lacking_on(variant)) is not None:
        return f"  {visible(reason)}"
    if scenario.locked_out(variant):
        calls = ", ".join(f"{errno_name(n)} at {call}" for call, n in scenario.lockdown.items())
        return f"  lockdown: {calls}"
    if scenario.is_reference:
        return "  reference"
    return "  control" if variant.name == scenario.control else ""
