# SPDX-License-Identifier: GPL-2.0-only
"""Outcomes of the small corpus: all as expected, except those that a test names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripted_lab import ScriptedLab
from small_corpus import SMALL

from harness.judge.cells import all_cells
from harness.model.cell import Cell, Outcome

if TYPE_CHECKING:
    from harness.scenarios.corpus import Corpus


def cell(variant: str, name: str) -> Cell:
    return Cell("6.12", variant, name)


ISOLATED = cell("isolated", "proc_mem_write")
CONTROL = cell("baseline", "proc_mem_write")


def as_expected(corpus: Corpus = SMALL, /, **script: Outcome) -> dict[Cell, Outcome]:
    """Every cell's outcome as expected, except those named `variant__scenario`."""
    lab = ScriptedLab(corpus=corpus)
    outcomes = {one: lab.run(one) for one in all_cells(corpus)}
    for name, given in script.items():
        variant, _, scenario = name.partition("__")
        outcomes[cell(variant, scenario)] = given
    return outcomes
