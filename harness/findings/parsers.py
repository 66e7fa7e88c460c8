# SPDX-License-Identifier: GPL-2.0-only
"""Handlers that parse: what root can make the kernel believe, and how the other attacks end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.findings.document import Names, Section, Table, Text, code
from harness.findings.tables import NOT_MADE, bold, outcome, outcomes
from harness.model.handlers import DEFAULT_HANDLER, HANDLERS
from harness.report.text import plural, short_hash
from harness.scenarios import STAKES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.findings.document import Block
    from harness.findings.evidence import Evidence
    from harness.results.recorded_run import RecordedRun
    from harness.results.result_line import ResultLine

TITLE = "What can root make the kernel believe?"


def parsers_section(evidence: Evidence) -> Section:
    """Return the section: for each handler that parses, what is at stake, and what differs."""
    runs = [run for run in (*evidence.runs, *evidence.parsers) if run.header.handler in STAKES]
    blocks = [block for run in runs for block in _of_handler(evidence, run)]
    return Section(TITLE, blocks or [Text("No run has a handler that parses.")])


def _of_handler(evidence: Evidence, run: RecordedRun) -> Iterator[Block]:
    handler = run.header.handler
    yield Text(
        f"The handler {code(handler)} {HANDLERS[handler].summary}. These attacks show "
        "[what is at stake](../how-to/attack-a-parser.md) with it:"
    )
    variants = list(dict.fromkeys(cell.variant for cell in run.cells))
    attacks = {name: evidence.attacks(run, name) for name in variants}
    made = {name for tried in attacks.values() for name in tried}
    stakes = [name for name in STAKES[handler] if name in made]  # one may be newer than the run
    there = [name for name in variants if attacks[name].keys() & stakes]
    rows = [
        [code(name), *(_told(attacks[variant].get(name)) for variant in there)] for name in stakes
    ]
    yield Table([["attack", *map(code, there)], *rows]) if there else Text(NOT_MADE)
    yield from _compared(evidence, run, attacks)
    trouble = f" It was cut short: {run.trouble}." if run.trouble else ""
    yield Text(f"Counted from run {code(run.name)}: line {run.header.line}.{trouble}")


def _told(line: ResultLine | None) -> str:
    return bold(outcome(line)) if line else "not run"


def _compared(
    evidence: Evidence, run: RecordedRun, attacks: Mapping[str, Mapping[str, ResultLine]]
) -> Iterator[Block]:
    """Compare the attacks that both handlers have, by variant, where both have a verdict."""
    if evidence.corpus.handler != DEFAULT_HANDLER:
        return
    made = 0
    changed: dict[str, list[str]] = {}
    images: set[str] = set()
    plain = code(DEFAULT_HANDLER)
    for variant, after in attacks.items():
        first = evidence.run_of(variant)
        if first is None or first.header.line != run.header.line:
            continue
        images.add(short_hash(first.header.image))
        both = outcomes(evidence.lines(variant), after)
        made += len(both)
        for name, (then, now) in both.items():
            if now != then:
                said = f"{code(variant)}: {now}, and {then} with {plain}"
                changed.setdefault(said, []).append(name)
    if made:
        same = made - sum(len(names) for names in changed.values())
        yield Text(
            f"Of {plural(made, 'cell')} of the other attacks, where both runs have a verdict, "
            f"{same} end as with the handler {plain}. The kernel image is "
            f"{short_hash(run.header.image)}; with {plain} it is {' or '.join(sorted(images))}."
        )
    for said, names in sorted(changed.items()):
        yield Names(f"{said} ({len(names)})", names)
