# SPDX-License-Identifier: GPL-2.0-only
"""A run that is a repetition: one of the runs that `repeat` keeps in numbered folders."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.results.salvaged_run import salvage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.model.cell import Cell
    from harness.model.verdict import Verdict
    from harness.results.recorded_run import RecordedRun


def full_name(run: RecordedRun) -> str:
    """Return the name of a run, with the name of the study if it is a repetition."""
    return f"{run.path.parent.name}/{run.name}" if run.name.isdigit() else run.name


def unsteady(run: RecordedRun) -> dict[Cell, str]:
    """Return the cells whose verdict differs between the repetitions, and the number of each.

    It is empty for a run that is no repetition. What cannot be read of another repetition is left
    out.
    """
    found: dict[Cell, Counter[Verdict]] = {}
    for one in _repetitions(run):
        for cell, line in one.cells.items():
            found.setdefault(cell, Counter())[line.verdict] += 1
    return {
        cell: ", ".join(f"{times} x {verdict}" for verdict, times in verdicts.most_common())
        for cell, verdicts in found.items()
        if len(verdicts) > 1
    }


def _repetitions(run: RecordedRun) -> Iterator[RecordedRun]:
    if not run.name.isdigit():
        return
    for folder in sorted(run.path.parent.iterdir()):
        if folder.name.isdigit():
            try:
                yield salvage(str(folder), root=folder.parent).run
            except UserError:
                continue
