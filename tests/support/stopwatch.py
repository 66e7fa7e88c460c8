# SPDX-License-Identifier: GPL-2.0-only
"""A clock for tests of deadlines, which a busy host does not spoil."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.vm.machine import Machine


class Stopwatch:
    """Runs from its start on, for a test that drives one machine."""

    def __init__(self, machine: Machine) -> None:
        self._pids = (os.getpid(), machine.pid)
        self._waited = self._cpu_waits()
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """The seconds that have passed."""
        return time.monotonic() - self._start

    @property
    def unhindered(self) -> float:
        """The same, less the time in which QEMU or this process was ready to run and had no CPU."""
        return self.seconds - (self._cpu_waits() - self._waited)

    def _cpu_waits(self) -> float:
        """The time that their threads have spent on run queues (the second field of schedstat)."""
        waits = 0
        for pid in self._pids:
            for task in Path(f"/proc/{pid}/task").iterdir():
                with suppress(OSError):  # a thread that has ended
                    waits += int((task / "schedstat").read_text().split()[1])
        return waits / 1e9
