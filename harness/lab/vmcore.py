# SPDX-License-Identifier: GPL-2.0-only
"""Dumps of the machines whose cells did not come out as expected, for drgn or crash to open.

What is in one is the guest's word, like all that debuggers are shown of it. A dump that cannot be
had changes no outcome.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.host.errors import UserError, VmLost
from harness.judge.conclusion import is_as_expected

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.model.cell import Cell, Outcome
    from harness.scenarios.corpus import Corpus
    from harness.vm.machine import Machine

VMCORE = "vmcore"
_MIB = 1 << 20
_SPARE = 512 * _MIB
"""Bytes that a dump leaves free on its disk: the results come first."""
_MOST_NOTES = 16 * _MIB
"""What an ELF core has beside the memory: a few hundred bytes for each CPU, and vmcoreinfo."""
_HOLES_SECONDS = 60.0


@dataclass
class Dump:
    """The dump of one cell: taken if there is a `path` and the cell is not as expected."""

    path: Path | None
    corpus: Corpus
    _missing: str = "no machine came up"

    def after(self, run: Callable[[], Outcome], cell: Cell, machine: Machine) -> Outcome:
        """Run the cell on the machine, and dump that if need be; the outcome, or what it raised."""
        try:
            outcome = run()
        except UserError:
            raise
        except Exception:
            self._take(machine)
            raise
        if not is_as_expected(self.corpus, cell, outcome):
            self._take(machine)
        return outcome

    def noted(self, cell: Cell, outcome: Outcome) -> Outcome:
        """The cell's last outcome, which says why there is no dump; a needless one is removed."""
        if self.path is None:
            return outcome
        if is_as_expected(self.corpus, cell, outcome):
            self.path.unlink(missing_ok=True)
            return outcome
        return replace(outcome, undumped=self._missing)

    def _take(self, machine: Machine) -> None:
        if self.path is None:
            return
        self.path.unlink(missing_ok=True)
        try:
            write_vmcore(machine, self.path)
        except (VmLost, UserError, OSError) as error:
            self._missing = str(error)
        else:
            self._missing = ""


def write_vmcore(machine: Machine, path: Path) -> None:
    """Dump a machine, which stands still from then on, into a new file.

    The file is ours, and QEMU is only given the descriptor: it opens nothing by a name, and
    follows no link. Raises VmLost, OSError, or UserError where there is no room.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    most = machine.memory_size + _MOST_NOTES
    if (free := shutil.disk_usage(path.parent).free) < most + _SPARE:
        raise UserError(
            f"it needs {(most + _SPARE) // _MIB} MiB, and {free // _MIB} are free",
            hint="free some, or name another folder with --results",
        )
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(scratch, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        machine.dump(fd)
        if (size := os.fstat(fd).st_size) > most:
            raise VmLost(f"QEMU's dump has {size} bytes, and its guest {machine.memory_size}")
        _dig_holes(scratch)
        scratch.rename(path)
    finally:
        os.close(fd)
        scratch.unlink(missing_ok=True)


def _dig_holes(path: Path) -> None:
    """Have memory that was never written take no disk; it only saves some."""
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            ["fallocate", "--dig-holes", path],
            capture_output=True,
            timeout=_HOLES_SECONDS,
            check=False,
        )
