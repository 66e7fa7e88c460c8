# SPDX-License-Identifier: GPL-2.0-only
"""Protocols of a cell runner: the parts of a lab that runs and studies use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from harness.model.cell import Cell, Outcome


class CellRunner(Protocol):
    """Runs a cell. `harness.lab.lab.Lab` is a cell runner; so is the scripted lab of the tests."""

    def run(self, cell: Cell, *, fresh: bool = False) -> Outcome:
        """Run one cell, from the saved state or, if `fresh`, from its own boot. Thread-safe."""


class TripTimer(CellRunner, Protocol):
    """A cell runner that also times round trips on its machines."""

    def trip_clock(
        self, variant: str, *, counts: bool = False
    ) -> AbstractContextManager[Callable[[int], list[int]]]:
        """Start a machine. Yield a function that times a number of round trips in it.

        The function returns the microseconds of each or, with `counts`, its instructions.
        """


class ParserClock(Protocol):
    """Gives files to both parsers of a machine (harness/lab/parser_clock.py)."""

    def accepted(self, files: Sequence[bytes]) -> list[bytes]:
        """Return the files that the kernel accepts."""

    def times(self, files: Sequence[bytes], count: int) -> dict[str, list[list[float]]]:
        """Give each file so many times. Return the microseconds by parser and file."""


class ParserTimer(Protocol):
    """Times the parsers of files on its machines."""

    def parser_clock(
        self, parser: str, variant: str, *, boot: str = ""
    ) -> AbstractContextManager[ParserClock]:
        """Start a machine, and yield its clock."""

    def locked_kib(self, parser: str, variant: str) -> int:
        """Start a machine. Return the KiB of memory that its handler has locked."""


class InspectableRunner(TripTimer, Protocol):
    """A cell runner whose machines can also be dumped, and opened in a debugger."""

    def run(self, cell: Cell, *, fresh: bool = False, vmcore: Path | None = None) -> Outcome:
        """Run one cell. If its outcome is not as expected, dump its machine to `vmcore`."""

    def vmlinux(self, variant: str) -> Path:
        """Return the vmlinux of a variant's kernel. Raises UserError if there is none."""
