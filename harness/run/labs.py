# SPDX-License-Identifier: GPL-2.0-only
"""What runs cells: a lab, as far as runs and studies ask it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from harness.model.cell import Cell, Outcome


class Lab(Protocol):
    """What runs a cell: `harness.lab.lab.Lab`, or a test's script of outcomes."""

    def run(self, cell: Cell, *, fresh: bool = False) -> Outcome:
        """Run one cell, from the saved state or (`fresh`) from a boot of its own. Thread-safe."""


class TimingLab(Lab, Protocol):
    """A lab on whose machines round trips can be timed, too."""

    def trip_clock(self, variant: str) -> AbstractContextManager[Callable[[int], list[int]]]:
        """A machine's round trips (harness/lab/trip_clock.py): so many of them, in microseconds."""


class OpenedLab(TimingLab, Protocol):
    """What a command opens: a lab whose machines can be looked into as well."""

    def run(self, cell: Cell, *, fresh: bool = False, vmcore: Path | None = None) -> Outcome:
        """Run one cell; if that is not as expected, leave a dump of its machine at `vmcore`."""

    def vmlinux(self, variant: str) -> Path:
        """The vmlinux of a variant's kernel. Raises UserError if there is none."""
