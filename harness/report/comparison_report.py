# SPDX-License-Identifier: GPL-2.0-only
"""The comparison of two runs: as text for a terminal, as Markdown for a mail, and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec import structs

from harness.model.verdict import A_STEP, Verdict
from harness.report.text import plural, short_hash, visible
from harness.results.run_comparison import CellComparison, Change, RunComparison

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.results.recorded_run import RecordedRun
    from harness.results.result_line import ResultLine

SCHEMA = 1
"""The version of the JSON object: raise it when a field or its meaning changes."""

_ROWS = 40  # rows of one kind of change in Markdown, so that a mail stays short
_DETAIL = 100  # characters
_COUNTED = (Change.DETAIL, Change.SAME)
"""The changes that are counted but not listed: details differ from run to run."""

_FACTS: dict[str, Callable[[Any], str]] = {
    "line": str,
    "image": short_hash,
    "series": short_hash,
    "engine": str,
    "handler": str,
    "host": str,
    "accelerator": str,
    "commit": str,
    "started": str,
}
"""The fields of run.json that are shown, and how."""


def text(comparison: RunComparison) -> str:
    """Return the facts of both runs, the cells under each kind of change, and the counts."""
    lines = []
    for which, run in (("old", comparison.old), ("new", comparison.new)):
        facts = ", ".join(f"{name} {said}" for name, said in run_facts(run).items() if said)
        lines.append(f"{which}  {run.name}: {facts}")
        lines += [f"     {said}" for said in _trouble(run)]
    for change, cells in listed(comparison):
        lines.append(f"{change} ({len(cells)}):")
        lines += [f"  {_id(one)}: {change_told(one)}" for one in cells]
    lines.append(summary(comparison))
    return "\n".join(map(visible, lines))


def markdown(comparison: RunComparison) -> str:
    """Return the counts, the facts of both runs side by side, and a row for each changed cell.

    Text that may quote a guest is in code spans, so that it cannot act as a link, a mention or
    HTML.
    """
    old, new = comparison.old, comparison.new
    lines = [f"**{summary(comparison)}**", "", "| | old | new |", "| --- | --- | --- |"]
    lines.append(f"| run | {_code(old.name)} | {_code(new.name)} |")
    before, after = run_facts(old), run_facts(new)
    for name in before:
        if before[name] or after[name]:
            lines.append(f"| {name} | {_code(before[name])} | {_code(after[name])} |")
    for which, run in (("old", old), ("new", new)):
        lines += [f"\nThe {which} run: {_code(said)}" for said in _trouble(run)]
    groups = list(listed(comparison))
    if groups:
        lines += ["", "| | cell | old | new |", "| --- | --- | --- | --- |"]
    for change, cells in groups:
        lines += [_row(one) for one in cells[:_ROWS]]
        if len(cells) > _ROWS:
            lines.append(f"| {change} | and {len(cells) - _ROWS} more | | |")
    return "\n".join(lines)


def as_json(comparison: RunComparison, *, failed: Sequence[CellComparison]) -> str:
    """Return a JSON object: both runs, the counts, and the changed cells.

    `failed` lists the cells that make the comparison fail.
    """
    value = {
        "schema": SCHEMA,
        "old": _run_object(comparison.old),
        "new": _run_object(comparison.new),
        "counts": {change.value: number for change, number in comparison.counts().items()},
        "failed": [one.cell.id for one in failed],
        "cells": [
            {
                **structs.asdict(one.cell),
                "change": one.change.value,
                "worse": list(one.worse),
                "better": list(one.better),
                "old": _found_object(one.old),
                "new": _found_object(one.new),
            }
            for one in comparison.cells
            if one.change is not Change.SAME
        ],
    }
    return json.dumps(value, indent=1)


def summary(comparison: RunComparison) -> str:
    """Return the last line: the number of cells for each kind of change, and of those kept."""
    counts = comparison.counts()
    said = [
        f"{number} {change}"
        for change, number in counts.items()
        if number or change in (Change.WORSE, Change.BETTER)
    ]
    if kept := sum(bool(line.kept) for line in comparison.new.cells.values()):
        said.append(f"{kept} kept")
    return f"{plural(sum(counts.values()), 'cell')}: {', '.join(said)}"


def told(found: ResultLine) -> str:
    """Return a cell's verdict, whether it gained a step, and its shortened detail."""
    step = [f", {A_STEP}"] if A_STEP in found.lost else []
    detail = found.detail if len(found.detail) <= _DETAIL else f"{found.detail[: _DETAIL - 1]}…"
    return "".join([found.verdict, *step, f" ({detail})" if detail else ""])


def run_facts(run: RecordedRun) -> dict[str, str]:
    """Return the facts that tell two runs apart, by name; an empty value is not known."""
    return {name: show(getattr(run.header, name) or "") for name, show in _FACTS.items()}


def _trouble(run: RecordedRun) -> Iterator[str]:
    if run.trouble:
        missing = f"; {plural(len(run.not_run), 'chosen cell')} not run" if run.not_run else ""
        yield f"cut short: {run.trouble}{missing}"


def listed(comparison: RunComparison) -> Iterator[tuple[Change, list[CellComparison]]]:
    """Yield each kind of change that is listed, with its cells."""
    for change in Change:
        cells = comparison.of(change)
        if cells and change not in _COUNTED:
            yield change, cells


def _id(one: CellComparison) -> str:
    return f"{one.cell.line} {one.cell.variant} {one.cell.scenario}"


def _said(found: ResultLine | None) -> str:
    if found is None:
        return ""
    due = "" if found.ok or found.verdict is Verdict.ERROR else f", expected {found.expected}"
    kept = f", kept from {found.kept}" if found.kept else ""
    return told(found) + due + kept


def change_told(one: CellComparison) -> str:
    """Return the verdicts of a cell in both runs, and the axes on which it changed."""
    axes = f": {_axes(one)}" if one.worse or one.better else ""
    if one.old is None or one.new is None:
        return _said(one.new or one.old)
    return f"{_said(one.old)} -> {_said(one.new)}{axes}"


def _axes(one: CellComparison) -> str:
    """Return the axes on which the cell changed."""
    said = [f"{word} on {', '.join(axes)}" for word, axes in _sides(one) if axes]
    return "; ".join(said)


def _sides(one: CellComparison) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return ("worse", one.worse), ("better", one.better)


def _what(one: CellComparison) -> str:
    loud = f"**{one.change}**" if one.change is Change.WORSE else str(one.change)
    axes = one.worse or one.better
    return f"{loud}: {', '.join(axes)}" if axes else loud


def _row(one: CellComparison) -> str:
    said = (_id(one), _said(one.old), _said(one.new))
    return f"| {' | '.join([_what(one), *map(_code, said)])} |"


def _code(said: str) -> str:
    """Return a code span for a cell of a Markdown table, or the empty string for empty text."""
    plain = visible(said).replace("`", "'").replace("|", "\\|").strip()
    return f"`{plain}`" if plain else ""


def _run_object(run: RecordedRun) -> dict[str, Any]:
    names = (*_FACTS, "finished", "exit_status")
    facts = {name: _or_null(getattr(run.header, name)) for name in names}
    return {"run": run.name, **facts, "trouble": run.trouble, "not_run": len(run.not_run)}


def _or_null(fact: object) -> object:
    """Return None for a fact that run.json does not have."""
    return None if fact == "" else fact


def _found_object(found: ResultLine | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "verdict": found.verdict.value,
        "lost": sorted(found.lost),
        "detail": found.detail,
        "expected": found.expected.value,
        "ok": found.ok,
        "kept": found.kept,
    }
