# SPDX-License-Identifier: GPL-2.0-only
"""Cells of the corpus as text and as Markdown, for `umd-harness list`."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import errno_name
from harness.model.verdict import A_STEP, Verdict
from harness.report.text import visible
from harness.surface.configs import reachable_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model.cell import Cell
    from harness.model.variants import Variant
    from harness.scenarios.corpus import Corpus
    from harness.scenarios.registry import Scenario


class ListedCells:
    """The scenarios and variants of some cells, in the order of the corpus."""

    def __init__(self, corpus: Corpus, cells: Sequence[Cell]) -> None:
        """Take cells of one kernel line, and of the corpus."""
        self._cells = {(cell.scenario, cell.variant) for cell in cells}
        scenarios = {cell.scenario: corpus.scenario(cell) for cell in cells}
        variants = {cell.variant for cell in cells}
        self.scenarios = [scenarios[name] for name in corpus.scenarios if name in scenarios]
        self.variants = [one for one in corpus.variants.values() if one.name in variants]

    def has(self, scenario: Scenario, variant: Variant) -> bool:
        """Whether the cell of a scenario and a variant is there."""
        return (scenario.name, variant.name) in self._cells

    def variants_of(self, scenario: Scenario) -> list[Variant]:
        """Return the variants on which cells of a scenario are there."""
        return [variant for variant in self.variants if self.has(scenario, variant)]


def listing(cells: ListedCells, *, columns: int | None = None) -> str:
    """Return a paragraph for each scenario and a line for each variant.

    Lines longer than a number of columns go on below, further to the right.
    """
    width = max(len(variant.name) for variant in cells.variants)
    lines: list[str] = []
    for scenario in cells.scenarios:
        lines += [*_paragraph(scenario, cells.variants_of(scenario), width), ""]
    lines.append("variants:")
    lines += [f"  {variant.name:<{width}}  {variant.summary}" for variant in cells.variants]
    return "\n".join(lines if columns is None else (_wrapped(line, columns) for line in lines))


def _wrapped(line: str, columns: int) -> str:
    below = " " * min(8, columns // 4)
    return fill(
        line, columns, subsequent_indent=below, break_long_words=False, break_on_hyphens=False
    )


def markdown_listing(cells: ListedCells) -> str:
    """Return a Markdown page with a section for each file of attacks."""
    files: dict[str, list[Scenario]] = {}
    for scenario in cells.scenarios:
        files.setdefault(scenario.attack.__module__, []).append(scenario)
    variants = [f"- `{variant.name}`: {variant.summary}" for variant in cells.variants]
    sections = [_section(module, scenarios, cells) for module, scenarios in files.items()]
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


def _section(module: str, scenarios: list[Scenario], cells: ListedCells) -> str:
    about = getattr(scenarios[0].attack, "__globals__", {}).get("__doc__") or module
    title = visible(about.splitlines()[0]).rstrip(".")
    heads = ["attack", "what it does", "effect", "row", "through", "reachable with", "answers"]
    heads += [variant.name for variant in cells.variants]
    table = [heads, ["---"] * len(heads), *(_row(one, cells) for one in scenarios)]
    lines = [f"| {' | '.join(row)} |" for row in table]
    reasons = _reasons(scenarios, cells)
    return "\n".join([f"## {title}", "", *lines, *([""] if reasons else []), *reasons])


def _row(scenario: Scenario, cells: ListedCells) -> list[str]:
    verdicts = [
        f"{_expected(scenario, v)}{_mark(scenario, v)}" if cells.has(scenario, v) else ""
        for v in cells.variants
    ]
    through = scenario.reach or scenario.through
    function = f"`{through}`" if through else ""
    effect = " and ".join(e.name.lower() for e in scenario.effects)
    summary = visible(scenario.summary).replace("|", "\\|").replace("<", "\\<")
    name = f"`{scenario.name}`"
    kernels, answers = _kernels(scenario), ", ".join(scenario.answers)
    return [name, summary, effect, scenario.surface, function, kernels, answers, *verdicts]


def _expected(scenario: Scenario, variant: Variant) -> str:
    """Return the expected verdict, with the step if the attack gains one."""
    verdict = scenario.expected(variant)
    gains = verdict is Verdict.HELD and scenario.gains(variant)
    return f"{verdict}, {A_STEP}" if gains else str(verdict)


def _mark(scenario: Scenario, variant: Variant) -> str:
    if scenario.hole_on(variant):
        return "*"
    if scenario.denied_on(variant):
        return "‡"
    return "†" if scenario.locked_out(variant) else ""


def _reasons(scenarios: list[Scenario], cells: ListedCells) -> list[str]:
    """Return a line for each reason, with the attacks and variants that have it."""
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for scenario in scenarios:
        reasons = {**scenario.denied_by, **scenario.not_applicable}
        reasons.update({variant: hole.reason for variant, hole in scenario.holes.items()})
        for reason in dict.fromkeys(reasons.values()):
            variants = tuple(
                variant.name
                for variant in cells.variants_of(scenario)
                if reasons.get(variant.name) == reason
            )
            found.setdefault((reason, variants), []).append(f"`{scenario.name}`")
    return [
        f"- {', '.join(names)} on {', '.join(variants)}: {visible(reason)}"
        for (reason, variants), names in found.items()
        if variants
    ]


def _paragraph(scenario: Scenario, variants: list[Variant], width: int) -> list[str]:
    answers = ", ".join(scenario.answers)
    effect = scenario.effect.name.lower()
    head = f"{scenario.name}  (effect {effect}, surface {scenario.surface}, answers {answers})"
    lines = [head, f"    {visible(scenario.summary)}", f"    reachable with: {_kernels(scenario)}"]
    for variant in variants:
        told = f"    {variant.name:<{width}}  {_expected(scenario, variant)}"
        lines.append(f"{told}  {_note(scenario, variant)}".rstrip())
    return lines


def _kernels(scenario: Scenario) -> str:
    return ", ".join(reachable_with(scenario)) or "none"


def _note(scenario: Scenario, variant: Variant) -> str:
    reason = visible(reason_of(scenario, variant))
    if is_known_hole(scenario, variant):
        return f"known hole: {reason}"
    if reason:
        return reason
    if scenario.is_reference:
        return "reference"
    return "control" if variant.name == scenario.control else ""


def is_known_hole(scenario: Scenario, variant: Variant) -> bool:
    """Whether the variant should hold the attack, and is declared not to."""
    return bool(not (variant.is_thread or variant.is_measured) and scenario.hole_on(variant))


def reason_of(scenario: Scenario, variant: Variant) -> str:
    """Return the declared reason for the expected verdict; empty if none is needed."""
    if hole := scenario.hole_on(variant):
        return hole.reason
    if (reason := scenario.denied_on(variant) or scenario.lacking_on(variant)) is not None:
        return reason
    if scenario.locked_out(variant):
        calls = ", ".join(f"{errno_name(n)} at {call}" for call, n in scenario.lockdown.items())
        return f"lockdown: {calls}"
    return ""
