# SPDX-License-Identifier: GPL-2.0-only
"""The attacks: a list of the files of the corpus, and a page for each of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import errno_name
from harness.model.variants import VARIANTS, Variant
from harness.report.text import plural
from harness.scenarios import EVERY, REFERENCES, Scenario
from harness.surface.configs import reachable_with
from umd_site.findings import measured
from umd_site.text import code, prose, table, toctree

if TYPE_CHECKING:
    from collections.abc import Iterator

GENERATED = "<!-- Generated from harness/scenarios/ each time that the site is built. -->"


def pages() -> dict[str, str]:
    """Return the page of each file of attacks, by the file's name."""
    return {_name(module): _page(module, ours) for module, ours in _files().items()}


def overview() -> str:
    """Return the list of the pages, for the page that is written by hand."""
    files = _files()
    rows = [
        [f"[{_title(module)}](attacks/{_name(module)}.md)", str(len(ours))]
        for module, ours in files.items()
    ]
    total = plural(len(EVERY) - len(REFERENCES), "attack")
    counted = f"There are {total} and {plural(len(REFERENCES), 'reference cell')}."
    toc = [f"{name} <attacks/{name}>" for name in map(_name, files)]
    return "\n\n".join([counted, table(["file", "scenarios"], *rows), toctree(toc)]) + "\n"


def _files() -> dict[str, list[Scenario]]:
    files: dict[str, list[Scenario]] = {}
    for scenario in EVERY.values():
        files.setdefault(scenario.attack.__module__, []).append(scenario)
    return files


def _name(module: str) -> str:
    return module.rpartition(".")[2]


def _title(module: str) -> str:
    first = (sys.modules[module].__doc__ or module).splitlines()[0]
    return prose(first.rstrip("."))


def _page(module: str, scenarios: list[Scenario]) -> str:
    intro = f"`{module.replace('.', '/')}.py`: {plural(len(scenarios), 'scenario')}."
    sections = ["\n".join(_section(scenario)) for scenario in scenarios]
    return "\n\n".join([GENERATED, f"# {_title(module)}", intro, *sections]) + "\n"


def _section(scenario: Scenario) -> Iterator[str]:
    yield f"(attack-{scenario.name})="
    yield f"## `{scenario.name}`"
    yield ""
    yield prose(scenario.summary)
    yield ""
    for name, value in _facts(scenario):
        yield f"- {name}: {value}"
    verdicts: dict[str, list[str]] = {}
    for variant in VARIANTS.values():
        verdicts.setdefault(scenario.expected(variant), []).append(_on(scenario, variant))
    yield "\n| expected | on |\n| --- | --- |"
    for verdict, variants in verdicts.items():
        yield f"| **{verdict}** | {', '.join(variants)} |"
    if found := measured(scenario.name):
        yield f"\n{found}"
    if reasons := list(_reasons(scenario)):
        yield ""
        yield from reasons


def _facts(scenario: Scenario) -> Iterator[tuple[str, str]]:
    yield "effect", " and ".join(effect.name.lower() for effect in scenario.effects)
    yield "surface", code(scenario.surface)
    if function := scenario.reach or scenario.through:
        yield "through", code(function)
    yield "kernels", ", ".join(reachable_with(scenario)) or "none"
    yield "answers", f"[{', '.join(scenario.answers)}](../requirements.md)"


def _on(scenario: Scenario, variant: Variant) -> str:
    if scenario.is_reference:
        return code(variant.name)
    notes = []
    if variant.name == scenario.control:
        notes.append("control")
    if scenario.hole_on(variant):
        is_ours = not (variant.is_thread or variant.is_measured)
        notes.append("known hole" if is_ours else "see below")
    elif not scenario.denied_on(variant) and scenario.locked_out(variant):
        calls = [f"{errno_name(number)} at {call}" for call, number in scenario.lockdown.items()]
        notes.append(f"lockdown: {', '.join(calls)}")
    return code(variant.name) + (f" ({', '.join(notes)})" if notes else "")


def _reasons(scenario: Scenario) -> Iterator[str]:
    """Say each reason once, with the variants that it holds for."""
    reasons = {**scenario.denied_by, **scenario.not_applicable}
    reasons.update({variant: hole.reason for variant, hole in scenario.holes.items()})
    for reason in dict.fromkeys(reasons.values()):
        variants = [code(variant) for variant in VARIANTS if reasons.get(variant) == reason]
        yield f"- {', '.join(variants)}: {prose(reason)}"
