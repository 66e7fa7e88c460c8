# SPDX-License-Identifier: GPL-2.0-only
"""The dumps of a run, and the commands that open them."""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.lab.vmcore import VMCORE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from harness.model.cell import Cell, Outcome
    from harness.run.cell_runner import InspectableRunner
    from harness.scenarios.corpus import Corpus


class Vmcores:
    """A lab whose cells leave dumps in the folders that `where` gives, and how to open them."""

    def __init__(
        self, lab: InspectableRunner, where: Callable[[Cell], Path], corpus: Corpus
    ) -> None:
        """Take the lab; `where` is asked when a cell runs."""
        self._lab = lab
        self._where = where
        self._corpus = corpus

    def run(self, cell: Cell, *, fresh: bool = False) -> Outcome:
        """Run a cell as the lab does, and keep a dump if it is due."""
        return self._lab.run(cell, fresh=fresh, vmcore=self._where(cell) / VMCORE)

    def check(self, variants: Iterable[str]) -> None:
        """Raise UserError if what opens the dumps is not there: before hours are spent."""
        for variant in variants:
            self._lab.vmlinux(variant)

    def told(self, run: Path, outcomes: Iterable[tuple[Cell, Outcome]]) -> dict[Cell, str]:
        """Return, for each cell with a dump, the command that opens it, or why there is none.

        The vmlinux comes along into the run's folder: images go when newer ones are built.
        """
        told = {}
        for cell, outcome in outcomes:
            dump = self._where(cell) / VMCORE
            if dump.is_file():
                try:
                    symbols = self._vmlinux(run, cell.variant)
                except (UserError, OSError) as error:
                    told[cell] = f"{dump}, without a vmlinux: {error}"
                else:
                    told[cell] = shlex.join(["drgn", "-c", str(dump), "-s", str(symbols)])
            elif outcome.undumped:
                told[cell] = f"no {VMCORE}: {outcome.undumped}"
        return told

    def _vmlinux(self, run: Path, variant: str) -> Path:
        flavour = self._corpus.variants[variant].flavour
        kept = run / (f"vmlinux-{flavour}" if flavour else "vmlinux")
        if not kept.is_file():
            shutil.copyfile(self._lab.vmlinux(variant), kept)
        return kept
