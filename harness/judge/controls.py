# SPDX-License-Identifier: GPL-2.0-only
"""The cells that a cell's result depends on: its control and the reference cells (rule 3)."""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from harness.model.cell import Cell
from harness.scenarios import REFERENCES

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from harness.scenarios.corpus import Corpus


def control_of(corpus: Corpus, cell: Cell) -> Cell:
    """Return the cell in which the same attack must win. A reference cell is its own control."""
    if cell.scenario in REFERENCES:
        return cell
    return Cell(cell.line, corpus.scenarios[cell.scenario].control, cell.scenario)


def references_of(cell: Cell) -> tuple[Cell, ...]:
    """Return the reference cells of the same variant and line."""
    return _references(cell.line, cell.variant)


@lru_cache(maxsize=1024)
def _references(line: str, variant: str) -> tuple[Cell, ...]:
    return tuple(Cell(line, variant, name) for name in REFERENCES)


def rests_on(corpus: Corpus, cell: Cell) -> tuple[Cell, ...]:
    """Return the other cells whose outcomes decide about this cell's result."""
    every = _with_others(corpus, cell)
    return tuple(dict.fromkeys(other for other in every if other != cell))


def _with_others(corpus: Corpus, cell: Cell) -> tuple[Cell, ...]:
    """Return the cells that decide about a cell's result, some more than once, and the cell."""
    control = control_of(corpus, cell)
    return (*references_of(cell), *references_of(control), control, cell)


def is_final(corpus: Corpus, cell: Cell, known: Container[Cell]) -> bool:
    """Whether the cell and all cells that its result depends on are known."""
    return cell in known and all(other in known for other in rests_on(corpus, cell))


def closure(corpus: Corpus, cells: Iterable[Cell]) -> list[Cell]:
    """Return the cells and all that they depend on: references, controls, then the rest.

    Each group is ordered by scenario, so that the saved states of all variants, which take a boot
    each, are made at the same time.
    """
    needed = dict.fromkeys(chain.from_iterable(_with_others(corpus, cell) for cell in cells))
    scenarios = {name: number for number, name in enumerate(corpus.scenarios)}

    def place(cell: Cell) -> tuple[int, int]:
        if cell.scenario in REFERENCES:
            return 0, REFERENCES.index(cell.scenario)
        is_control = corpus.scenarios[cell.scenario].control == cell.variant
        return 1 if is_control else 2, scenarios[cell.scenario]

    return sorted(needed, key=place)


def variants_needed(corpus: Corpus, cells: Iterable[Cell]) -> list[str]:
    """Return the variants of the cells and of all cells that they depend on."""
    needed = {cell.variant for cell in closure(corpus, cells)}
    return [name for name in corpus.variants if name in needed]
