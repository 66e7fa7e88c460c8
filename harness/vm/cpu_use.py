# SPDX-License-Identifier: GPL-2.0-only
"""How much CPU of the host a QEMU process got, and how long it waited for one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_NANOSECOND = 1e-9
_STEAL = 8
"""The place of the stolen time in the first line of /proc/stat (proc_stat(5))."""


@dataclass(frozen=True)
class CpuUse:
    """The CPU time of all threads of a process, in seconds."""

    worked: float = 0.0
    """How long they have run."""
    waited: float = 0.0
    """How long they could have run while other tasks had the CPU, or the host itself had none."""

    def since(self, earlier: CpuUse) -> CpuUse:
        """Return the use since an earlier one."""
        return CpuUse(self.worked - earlier.worked, self.waited - earlier.waited)

    def __add__(self, other: CpuUse) -> CpuUse:
        return CpuUse(self.worked + other.worked, self.waited + other.waited)


def cpu_use(*pids: int) -> CpuUse:
    """Return the use of processes so far (schedstat in Documentation/scheduler/sched-stats.rst).

    A process that has ended, or a host without these statistics, has no use.
    """
    worked = waited = 0
    for thread in (one for pid in pids for one in Path(f"/proc/{pid}/task").glob("*/schedstat")):
        try:
            ran, delayed, _ = thread.read_text().split()
        except (OSError, ValueError):  # the thread has just ended
            continue
        worked += int(ran)
        waited += int(delayed)
    if not worked:
        return CpuUse()
    lost = stolen(Path("/proc/stat").read_text())
    return CpuUse(worked * _NANOSECOND, waited * _NANOSECOND + lost)


def stolen(stat: str) -> float:
    """Return the seconds that all CPUs lost to other machines, if the host is a virtual machine.

    `stat` is the text of /proc/stat. The scheduler may count such time as work of the task that
    had the CPU.
    """
    times = stat.partition("\n")[0].split()
    return int(times[_STEAL]) / os.sysconf("SC_CLK_TCK") if len(times) > _STEAL else 0.0
