# SPDX-License-Identifier: GPL-2.0-only
"""A clock for tests of deadlines, which a busy host does not spoil."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from harness.vm.cpu_use import cpu_use

if TYPE_CHECKING:
    from harness.vm.machine import Machine


class Stopwatch:
    """Runs from its start on, for a test that drives one machine."""

    def __init__(self, machine: Machine) -> None:
        self._pids = (os.getpid(), machine.pid)
        self._waited = cpu_use(*self._pids).waited
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """The seconds that have passed."""
        return time.monotonic() - self._start

    @property
    def hindered(self) -> float:
        """The seconds in which QEMU or this process was ready to run and had no CPU."""
        return cpu_use(*self._pids).waited - self._waited

    @property
    def unhindered(self) -> float:
        """The seconds that have passed without these."""
        return self.seconds - self.hindered
