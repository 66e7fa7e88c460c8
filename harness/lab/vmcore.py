# SPDX-License-Identifier: GPL-2.0-only
"""Dumps of machines whose cells did not come out as expected, for drgn or crash to open.

Treat a dump as untrusted: the guest wrote its content. A dump that fails changes no outcome.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.host.errors import UserError, VmLost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.model.cell import Outcome
    from harness.vm.machine import Machine

VMCORE = "vmcore"
_MIB = 1 << 20
_SPARE = 512 * _MIB
"""Bytes that a dump leaves free on the disk, for the results."""
_MOST_NOTES = 16 * _MIB
"""The most bytes of an ELF core beside the memory: a few hundred a CPU, and vmcoreinfo."""
_HOLES_SECONDS = 60.0


@dataclass
class Dump:
    """The dump of one cell, taken if there is a `path` and the outcome is not as expected."""

    path: Path | None
    is_as_expected: Callable[[Outcome], bool]
    _missing: str = "no machine came up"

    def after(self, run: Callable[[], Outcome], machine: Machine) -> Outcome:
        """Run the cell on the machine, and dump the machine if that is due.

        Return the outcome, or raise what the run raised.
        """
        try:
            outcome = run()
        except UserError:
            raise
        except Exception:
            self._take(machine)
            raise
        if self.path is not None and not self.is_as_expected(outcome):
            self._take(machine)
        return outcome

    def noted(self, outcome: Outcome) -> Outcome:
        """Return the cell's last outcome with the reason why there is no dump, if one is due.

        A dump of an earlier run of the cell is removed if none is due any more.
        """
        if self.path is None:
            return outcome
        if self.is_as_expected(outcome):
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
    """Dump a machine into a new file. The machine is paused from then on.

    QEMU gets the file's descriptor: it opens no name, and follows no link. Raises VmLost, OSError,
    or UserError if the disk has too little room.
    """
    path.parent.mkdir(exist_ok=True)  # without parents: a run that was removed stays so
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
    """Free the disk blocks of zeroed memory. If that fails, the dump takes more room."""
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            ["fallocate", "--dig-holes", path],
            capture_output=True,
            timeout=_HOLES_SECONDS,
            check=False,
        )
