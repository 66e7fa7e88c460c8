# SPDX-License-Identifier: GPL-2.0-only
"""What `dask worker --preload` loads: the worker's lab is scripted, with the small corpus.

The environment says what its cells do. `RAN` is a file that gets a line for each cell that starts:
its id, the worker's pid, and how many run there. While there is the file `HOLD`, no cell ends. The
scenario `POISON` kills the worker, `BROKEN` raises a UserError, and `OTHER` is another QEMU.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import small_corpus

small_corpus.ship()

from scripted_lab import SmallLab  # noqa: E402 - the corpus comes first

from harness.host.errors import UserError  # noqa: E402
from harness.run import cluster_worker  # noqa: E402

if TYPE_CHECKING:
    from harness.model.cell import Cell, Outcome
    from harness.run.cell_runner import CellRunner
    from harness.run.cluster_worker import LabOrder
    from harness.scenarios.corpus import Corpus


@dataclass
class WorkerLab(SmallLab):
    """A scripted lab that says where each cell runs."""

    running: int = 0

    def _run(self, cell: Cell, *, fresh: bool) -> Outcome:
        with self._lock:
            self.running += 1
            line = f"{cell.id} {os.getpid()} {self.running}\n"
        file = os.open(os.environ["RAN"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line.encode())
        os.close(file)
        if cell.scenario == os.environ.get("POISON"):
            os.kill(os.getpid(), signal.SIGKILL)
        if cell.scenario == os.environ.get("BROKEN"):
            raise UserError("the disk is full", hint="free some space")
        while Path(os.environ["HOLD"]).exists():
            time.sleep(0.02)
        try:
            return super()._run(cell, fresh=fresh)
        finally:
            with self._lock:
                self.running -= 1


_LAB = WorkerLab(machines="MACHINES" in os.environ, _lock=threading.Lock())


def _lab_of(order: LabOrder) -> tuple[CellRunner, Corpus]:  # noqa: ARG001
    return _LAB, small_corpus.SMALL


cluster_worker.lab_of = _lab_of
cluster_worker.qemu_here = lambda: os.environ.get("OTHER", "none for 6.12")
