# SPDX-License-Identifier: GPL-2.0-only
"""Scheduling of another process: SCHED_DEADLINE, clamps, and priority inheritance by a futex."""

from __future__ import annotations

import struct
from errno import ETIMEDOUT
from mmap import MAP_SHARED, PROT_READ, PROT_WRITE
from os import O_RDWR
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.attacker.tools.clocks import CLOCK_REALTIME, read_clock, timespec

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

SECOND_CPU = "/sys/devices/system/cpu/cpu1/online"
PERIOD_MAX = "/proc/sys/kernel/sched_deadline_period_max_us"
WORKERS_CPUS = "/sys/devices/virtual/workqueue/cpumask"

# include/uapi/linux/sched/types.h, struct sched_attr up to sched_period
_SCHED_ATTR = struct.Struct("<IIQiIQQQ")
_SCHED_DEADLINE = 6

# The whole of it, up to sched_util_max, and the flags that keep all but the upper clamp
_CLAMPED_ATTR = struct.Struct("<IIQiIQQQII")
_KEEP_ALL, _UTIL_CLAMP_MAX = 0x18, 0x40

# kernel/sched/deadline.c, in nanoseconds
_SHORTEST, _LONGEST = 1024, 4_000_000_000

_FUTEX_LOCK_PI = 6

_LOCK = "/tmp/lock"  # noqa: S108 - the guest's, not ours
_PAGE = 4096


def set_deadline(attacker: Attacker, pid: int, *, runtime: int, period: int) -> None:
    """Set SCHED_DEADLINE with sched_setattr(2): `runtime` in each `period`, in nanoseconds."""
    attr = _SCHED_ATTR.pack(
        *(_SCHED_ATTR.size, _SCHED_DEADLINE, 0, 0, 0),
        *(runtime, period, period),
    )
    attacker.syscall("sched_setattr", pid, attr, 0)


def run_almost_never(attacker: Attacker, pid: int) -> None:
    """Give process `pid` the least CPU time that SCHED_DEADLINE allows: 1 µs every 4 s."""
    set_deadline(attacker, pid, runtime=_SHORTEST, period=_LONGEST)


def clamp_utilization(attacker: Attacker, pid: int, most: int) -> None:
    """Set the upper clamp of a task's utilization with sched_setattr(2), from 0 to 1024.

    schedutil chooses the CPU's frequency by the utilization. At 0 it takes the lowest.
    """
    flags = _KEEP_ALL | _UTIL_CLAMP_MAX
    attr = _CLAMPED_ATTR.pack(_CLAMPED_ATTR.size, 0, flags, 0, 0, 0, 0, 0, 0, most)
    attacker.syscall("sched_setattr", pid, attr, 0)


def wait_for_lock_of(attacker: Attacker, tid: int, *, nanoseconds: int) -> None:
    """Wait for a priority-inheritance futex whose word names thread `tid` as its owner.

    While the agent waits, for at most `nanoseconds`, that thread inherits the agent's priority.
    The thread itself does not use the futex. The futex is in a shared file: since Linux 7.2 the
    kernel rejects an owner in another process for a futex in private memory. Raises GuestError.
    """
    attacker.write_file(_LOCK, struct.pack("<I", tid), mode=0o600)
    with attacker.open(_LOCK, O_RDWR) as file:
        lock = attacker.syscall("mmap", 0, _PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0)
    until = read_clock(attacker, CLOCK_REALTIME) + nanoseconds
    try:
        attacker.syscall("futex", lock, _FUTEX_LOCK_PI, 0, timespec(until), 0, 0)
    except GuestError as error:
        if error.errno != ETIMEDOUT:
            raise
