# SPDX-License-Identifier: GPL-2.0-only
"""The number of attacks held, by class and variant: as text, as Markdown, and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from harness.model.handlers import DEFAULT_HANDLER
from harness.report.text import plural, short_hash, visible
from harness.results.held_counts import BELOW, DEFINITION, NOT_RUN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.results.held_counts import HeldByClass, HeldCount
    from harness.results.recorded_run import RecordedRun

SCHEMA = 2
"""The version of the JSON object: raise it when a field or its meaning changes."""

CLASS, TOTAL = "attacks", "all"


def text(counts: HeldByClass) -> str:
    """Return the table in columns, and its sources below."""
    rows = list(_rows(counts))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(f"{entry:<{width}}" for entry, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(map(visible, [*lines, "", *sources(counts)]))


def markdown(counts: HeldByClass) -> str:
    """Return the table in Markdown, and its sources below."""
    head, *rows = _rows(counts)
    head = [head[0], *(f"`{visible(name)}`" for name in head[1:])]
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join([*lines, "", *(f"{visible(said)}  " for said in sources(counts))])


def as_json(counts: HeldByClass) -> str:
    """Return a JSON object: the run, and the counts by class and variant, null where not run."""

    def numbers(row: dict[str, HeldCount]) -> dict[str, dict[str, int] | None]:
        return {name: asdict(row[name]) if name in row else None for name in counts.variants}

    value = {
        "schema": SCHEMA,
        "run": counts.run.name,
        "others": {name: run.name for name, run in counts.others.items()},
        "trouble": counts.run.trouble,
        "not_shown": counts.not_shown,
        "classes": {name: numbers(dict(row)) for name, row in counts.rows.items()},
        "all": numbers(dict(counts.total)),
    }
    return json.dumps(value, indent=1)


def _rows(counts: HeldByClass) -> Iterator[list[str]]:
    yield [CLASS, *counts.variants]
    for name, row in (*counts.rows.items(), (TOTAL, counts.total)):
        yield [name, *(str(row[v]) if v in row else NOT_RUN for v in counts.variants)]
    for name, number in BELOW.items():
        total = counts.total
        yield [name, *(str(number(total[v])) if v in total else "" for v in counts.variants)]


def sources(counts: HeldByClass) -> Iterator[str]:
    """Yield lines on the run that was counted, and on the parts of it that are incomplete."""
    run = counts.run
    yield f"Counted from run {run.name}: {_facts(run)}."
    for name, other in counts.others.items():
        yield f"{name} is counted from run {other.name}: {_facts(other)}."
    yield DEFINITION
    if run.trouble:
        yield f"That run was cut short: {run.trouble}."
    for made, alike in groupby(counts.partly.items(), key=itemgetter(1)):
        names = ", ".join(name for name, _ in alike)
        yield f"On {names}, {plural(made, 'attack')} only."
    if counts.not_shown:
        yield f"Also run, and not shown: {', '.join(counts.not_shown)}."


def _facts(run: RecordedRun) -> str:
    header = run.header
    facts = {
        "line": header.line,
        "kernel image": short_hash(header.image),
        "built from": header.kernel,
        "harness": header.commit,
        "engine": header.engine,
        "handler": header.handler if header.handler != DEFAULT_HANDLER else "",
    }
    return ", ".join(f"{name} {fact}" for name, fact in facts.items() if fact)
