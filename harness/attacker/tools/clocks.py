# SPDX-License-Identifier: GPL-2.0-only
"""The guest's clocks: the wall clock, and the CPU-time clock of each process."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

CLOCK_REALTIME = 0
_SECOND = 1_000_000_000

# include/linux/posix-timers_types.h: the inverted pid in the upper bits, the clock's kind below.
_CPUCLOCK_SCHED = 2
_PID_SHIFT = 3

_TIMESPEC = struct.Struct("<2q")


def timespec(nanoseconds: int) -> bytes:
    """Return the `struct timespec` of a time in nanoseconds."""
    return _TIMESPEC.pack(*divmod(nanoseconds, _SECOND))


def read_clock(attacker: Attacker, clock: int) -> int:
    """Call clock_gettime(2); return nanoseconds."""
    time = bytearray(_TIMESPEC.size)
    attacker.syscall("clock_gettime", clock, time)
    seconds, nanoseconds = _TIMESPEC.unpack(time)
    return int(seconds) * _SECOND + int(nanoseconds)


def cpu_time(attacker: Attacker, pid: int) -> int:
    """Return the CPU time that process `pid` has used, in nanoseconds."""
    return read_clock(attacker, ~pid << _PID_SHIFT | _CPUCLOCK_SCHED)


def set_clock(attacker: Attacker, seconds: int) -> None:
    """Set the wall clock with clock_settime(2), to `seconds` since 1970."""
    attacker.syscall("clock_settime", CLOCK_REALTIME, timespec(seconds * _SECOND))
