# SPDX-License-Identifier: GPL-2.0-only
"""What runs cells: the parts of a lab that runs and studies use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from harness.model.cell import Cell, Outcome


class CellRunner(Protocol):
    """Runs a cell. `harness.lab.lab.Lab` does, and so does a test's script of outcomes."""

    def run(self, cell: Cell, *, fresh: bool = False) -> Outcome:
        """Run one cell, from the saved state or (`fresh`) from a boot of its own. Thread-safe."""


class TripTimer(CellRunner, Protocol):
    """Also times round trips on its machines."""

    def trip_clock(self, variant: str) -> AbstractContextManager[Callable[[int], list[int]]]:
        """Make a machine; yields what times so many round trips in it, in microseconds each."""


class InspectableRunner(TripTimer, Protocol):
    """What a command opens. Its machines can also be dumped, and opened in a debugger."""

    def run(self, cell: Cell, *, fresh: bool = False, vmcore: Path | None = None) -> Outcome:
        """Run one cell; if that is not as expected, leave a dump of its machine at `vmcore`."""

    def vmlinux(self, variant: str) -> Path:
        """The vmlinux of a variant's kernel. Raises UserError if there is none."""
