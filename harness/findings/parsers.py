# SPDX-License-Identifier: GPL-2.0-only
"""Handlers that parse: what root can make the kernel believe, and how the other attacks end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.findings.document import Names, Section, Table, Text, code
from harness.findings.kernels import outcome
from harness.findings.tables import bold
from harness.model.handlers import DEFAULT_HANDLER, HANDLERS
from harness.report.text import plural
from harness.results.held_counts import HeldCount
from harness.scenarios import STAKES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.findings.document import Block
    from harness.findings.evidence import Evidence
    from harness.results.recorded_run import RecordedRun

TITLE = "What can root make the kernel believe?"


def parsers_section(evidence: Evidence) -> Section:
    """Return the section: for each handler that parses, what is at stake, and what differs."""
    blocks = [block for run in evidence.parsers for block in _of_handler(evidence, run)]
    return Section(TITLE, blocks or [Text("No run has a handler that parses.")])


def _of_handler(evidence: Evidence, run: RecordedRun) -> Iterator[Block]:
    handler = run.header.handler
    yield Text(
        f"The handler {code(handler)} {HANDLERS[handler].summary}. What its replies decide "
        "([Attack a handler that parses](../how-to/attack-a-parser.md)):"
    )
    variants = list(dict.fromkeys(cell.variant for cell in run.cells))
    attacks = {name: evidence.attacks(run, name) for name in variants}
    yield Table(
        [
            ["attack", *map(code, variants)],
            *(
                [code(name), *(bold(outcome(attacks[one][name])) for one in variants)]
                for name in STAKES.get(handler, ())
                if all(name in attacks[one] for one in variants)
            ),
        ]
    )
    yield from _compared(evidence, run, variants)
    yield Text(f"Counted from run {code(run.name)}: line {run.header.line}.")


def _compared(evidence: Evidence, run: RecordedRun, variants: list[str]) -> Iterator[Block]:
    """Compare the attacks that both handlers have, where both have a verdict."""
    made = 0
    changed: dict[str, list[str]] = {}
    for variant in variants:
        first = evidence.run_of(variant)
        if first is None or first.header.line != run.header.line:
            continue
        before, after = evidence.lines(variant), evidence.attacks(run, variant)
        for name in sorted(before.keys() & after.keys()):
            if all(HeldCount.of([lines[name]]).run for lines in (before, after)):
                made += 1
                now, then = outcome(after[name]), outcome(before[name])
                if now != then:
                    changed.setdefault(f"{code(variant)}: {now}, and {then} there", []).append(name)
    if made:
        same = made - sum(len(names) for names in changed.values())
        yield Text(
            f"Of the other attacks, {same} of {plural(made, 'cell')} end as with the handler "
            f"{code(DEFAULT_HANDLER)}."
        )
    for said, names in sorted(changed.items()):
        yield Names(f"{said} ({len(names)})", names)
