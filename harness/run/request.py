# SPDX-License-Identifier: GPL-2.0-only
"""A request for cells, from the command line or from pytest: checked before a kernel is built."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.brought.options import brought_or_all, corpus_with, own_variants, with_brought
from harness.host.errors import UserError
from harness.judge.cells import all_cells
from harness.judge.selection import select
from harness.model.handlers import DEFAULT_HANDLER

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from harness.brought.options import Brought
    from harness.kernel.choice.kernel_choice import KernelChoice
    from harness.model.cell import Cell
    from harness.scenarios.corpus import Corpus


@dataclass(frozen=True)
class Request:
    """The cells that a user asks for, and what they are made of."""

    corpus: Corpus
    """The shipped corpus with the user's own attacks and variants."""

    cells: list[Cell]

    asked: tuple[str, ...]
    """The variants that the user names or brings; empty for all."""

    kernel: KernelChoice | None
    """The user's own kernel, checked and not built; None for the kernel of the line."""

    line: str
    """The kernel's name in cells and reports: a kernel line, or the name of the user's kernel."""

    engine: str


def request(
    brought: Brought,
    *,
    variant_files: Sequence[Path] = (),
    variants: Sequence[str] = (),
    kernel: KernelChoice,
    engine: str,
    handler: str = DEFAULT_HANDLER,
    expression: str | None = None,
    recorded: Collection[str] | None = None,
) -> Request:
    """Load what the user adds, and choose the cells. Raises UserError.

    Scenario files are executed. The `kernel` may be that of a line. The ids `recorded` are those of
    the cells to choose from; without them, all cells are.
    """
    corpus = corpus_with(brought, variant_files, handler)
    asked = tuple(variants) or own_variants(corpus)
    own = kernel.if_own()
    line = own.name if own else kernel.line
    every = all_cells(corpus, line, asked, engine=engine)
    if recorded is None:
        cells = brought_or_all(every, corpus, expression)
        cells = with_brought(select(corpus, cells, expression), every, corpus)
    else:
        # A control may be on a variant that nobody asked for.
        every = list(dict.fromkeys([*every, *all_cells(corpus, line, engine=engine)]))
        cells = [cell for cell in every if cell.id in recorded]
        if not cells:
            raise UserError("no cell of the run is there any more", hint="start a new run")
        cells = select(corpus, cells, expression)
    return Request(corpus, cells, asked, own, line, engine)


def supported_cells(cells: Sequence[Cell], variants: Sequence[str], line: str) -> list[Cell]:
    """Return the cells on the variants that a kernel supports. Raises UserError if it has none."""
    found = [cell for cell in cells if cell.variant in variants]
    if not found:
        raise UserError(
            f"{line} supports no variant of the chosen cells",
            hint=f"choose cells on {', '.join(variants)}",
        )
    return found
