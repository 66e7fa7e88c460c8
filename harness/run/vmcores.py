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
    """A cell runner that keeps dumps. `where` returns the folder of a cell."""

    def __init__(
        self, lab: InspectableRunner, where: Callable[[Cell], Path], corpus: Corpus
    ) -> None:
        """Store the lab. `where` is called when a cell runs."""
        self._lab = lab
        self._where = where
        self._corpus = corpus

    def run(self, cell: Cell, *, fresh: bool = False) -> Outcome:
        """Run a cell in the lab. If its outcome is not as expected, keep a dump."""
        return self._lab.run(cell, fresh=fresh, vmcore=self._where(cell) / VMCORE)

    def check(self, variants: Iterable[str]) -> None:
        """Raise UserError, before the run, if a vmlinux is missing that the dumps will need."""
        for variant in variants:
            self._lab.vmlinux(variant)

    def told(self, run: Path, outcomes: Iterable[tuple[Cell, Outcome]]) -> dict[Cell, str]:
        """Return by cell the command that opens its dump, or the reason why a dump is missing.

        The vmlinux is copied into the run's folder, because newer images replace older ones.
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
