# SPDX-License-Identifier: GPL-2.0-only
"""The page's data: the scenarios of a run, its cells, and the old cells that have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.judge.parity import REFERENCE, SUBJECT
from harness.model.cell import Cell
from harness.report.attack_source import attack_source
from harness.report.page import cell_data
from harness.report.page.cell_data import CellData, worse_than
from harness.report.page.texts import Texts, shown
from harness.report.table import variants_of
from harness.report.witness_story import COUNTS, PHASES
from harness.results.run_comparison import Change
from harness.results.salvaged_run import named
from harness.scenarios import REFERENCES
from harness.scenarios.classes import BROUGHT, class_of, classes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.results.recorded_run import RecordedRun
    from harness.results.result_line import ResultLine
    from harness.results.run_comparison import RunComparison
    from harness.scenarios.corpus import Corpus

_REFERENCE_CLASS = "reference cells"
_UNCHANGED = (Change.SAME, Change.DETAIL, Change.NEW)
"""The changes without a story of the old cell."""

Data = dict[str, Any]


def page_data(
    run: RecordedRun,
    corpus: Corpus,
    comparison: RunComparison | None,
    unsteady: Mapping[Cell, str],
) -> tuple[Data, list[str]]:
    """Return the data, and sentences about evidence that is not there.

    `unsteady` has the cells that have other verdicts in other repetitions of the run.
    """
    texts = Texts()
    lines = [*run.cells.values(), *(_old_lines(comparison) if comparison else ())]
    cells = CellData(run, corpus, texts, unsteady)
    rows = _rows(run, corpus)
    data: Data = {
        "variants": columns(run, corpus),
        "scenarios": [_scenario(line, run, corpus) for line in _first_lines(lines)],
        "rows": [
            {
                "line": line,
                "scenario": name,
                "worse": _worse(line, name, run, corpus),
                "cells": [cells.of(one) for one in of_row],
            }
            for (line, name), of_row in rows.items()
        ],
        "columns": list(COUNTS),
        "phases": list(PHASES),
        "old": {},
    }
    gaps = list(_evidence_gaps(cells, "the run"))
    if comparison:
        old = CellData(comparison.old, corpus, texts, {})
        data["old"] = {line.cell.id: old.of(line) for line in _old_lines(comparison)}
        gaps += _evidence_gaps(old, "the old run")
    data["texts"] = texts.every
    return data, gaps


def columns(run: RecordedRun, corpus: Corpus) -> list[str]:
    """Return the variants of the run in the order of the columns; those of its own come last."""
    known = variants_of(corpus, run.cells)
    return list(dict.fromkeys((*known, *(cell.variant for cell in run.cells))))


def _rows(run: RecordedRun, corpus: Corpus) -> Mapping[tuple[str, str], list[ResultLine]]:
    """Return the lines by kernel line and scenario, by classes, in the order of the corpus."""
    order = {name: number for number, name in enumerate(corpus.scenarios)}
    ordered = (_REFERENCE_CLASS, *classes(), BROUGHT)
    place = {name: number for number, name in enumerate(ordered)}

    def key(line: ResultLine) -> tuple[str, int, int]:
        scenario = line.scenario
        return line.line, place[_class(scenario)], order.get(scenario, len(order))

    found: dict[tuple[str, str], list[ResultLine]] = {}
    for line in sorted(run.cells.values(), key=key):
        found.setdefault((line.line, line.scenario), []).append(line)
    return found


def _class(name: str) -> str:
    return _REFERENCE_CLASS if name in REFERENCES else class_of(name)


def _first_lines(lines: Iterable[ResultLine]) -> Iterable[ResultLine]:
    """Return a line of each scenario."""
    return {line.scenario: line for line in lines}.values()


def _scenario(line: ResultLine, run: RecordedRun, corpus: Corpus) -> Data:
    source = attack_source(line.scenario, corpus, run.header.scenario_files)
    return {
        "name": line.scenario,
        "class": _class(line.scenario),
        "about": [shown(one) for one in source.about.splitlines()],
        "source": shown(source.place),
        "effect": line.effect.value,
        "surface": shown(line.surface),
        "answers": [shown(one) for one in line.answers],
    }


def _worse(line: str, name: str, run: RecordedRun, corpus: Corpus) -> list[str] | None:
    """Return the axes on which the isolated handler loses more than a kernel thread (R16).

    None stands for an attack to which the comparison does not apply, or that has no conclusion.
    """
    known = corpus.scenarios.get(name)
    subject = run.cells.get(Cell(line, SUBJECT, name))
    if subject is None or name in REFERENCES or (known and known.inside):
        return None
    return worse_than(subject, run.cells.get(Cell(line, REFERENCE, name)))


def _old_lines(comparison: RunComparison) -> list[ResultLine]:
    return [one.old for one in comparison.cells if one.old and one.change not in _UNCHANGED]


def _evidence_gaps(cells: CellData, which: str) -> Iterable[str]:
    if not cells.is_short:
        yield (
            f"the evidence of the cells of {which} that are as expected, because it has more than "
            f"{cell_data.MOST_TOLD} cells: `umd-harness show` has it"
        )
    if cells.absent:
        yield f"cells of {which} without evidence ({len(cells.absent)}): {named(cells.absent)}"
    if cells.damaged:
        told = f"({len(cells.damaged)}): {named(cells.damaged)}"
        yield f"cells of {which} with evidence that cannot be read {told}"
