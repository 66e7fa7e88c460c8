# SPDX-License-Identifier: GPL-2.0-only
"""The tally as the kernel lays it out (overlay/kernel/umd_witness/tally.h), parsed strictly."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any

from harness.errors import VmLost

MAGIC = 0x5353454E54495755
VERSION = 2
PHASES = 3
RECORDS = 16
REACH = 64


class State(IntEnum):
    """What the witness is doing."""

    BOOTING = 0
    RUNNING = 1
    PARKED = 2
    AFTERMATH = 3
    DONE = 4


class Violation(IntFlag):
    """What is no longer as the kernel set it up."""

    TRACED = 1
    ADOPTED = 2
    FOREIGN_EXE = 4


class Command(IntEnum):
    """What the host may ask of the witness."""

    PARK = 1
    AFTERMATH = 2


class _Count(ctypes.LittleEndianStructure):
    _fields_ = [
        ("sent", ctypes.c_uint32),
        ("right", ctypes.c_uint32),
        ("wrong", ctypes.c_uint32),
        ("failed", ctypes.c_uint32),
        ("starts", ctypes.c_uint32),
        ("loads", ctypes.c_uint32),
        ("error", ctypes.c_int32),
        ("unused", ctypes.c_uint32),
    ]


class _Record(ctypes.LittleEndianStructure):
    _fields_ = [
        ("number", ctypes.c_uint32),
        ("generation", ctypes.c_uint32),
        ("error", ctypes.c_int32),
        ("wrong", ctypes.c_uint32),
        ("nanoseconds", ctypes.c_uint64),
    ]


class _Layout(ctypes.LittleEndianStructure):
    _fields_ = [
        ("magic", ctypes.c_uint64),
        ("version", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("heartbeat", ctypes.c_uint64),
        ("sequence", ctypes.c_uint32),
        ("state", ctypes.c_uint32),
        ("command", ctypes.c_uint32),
        ("phase", ctypes.c_uint32),
        ("generation", ctypes.c_uint32),
        ("pid", ctypes.c_int32),
        ("violations", ctypes.c_uint32),
        ("vmforks", ctypes.c_uint32),
        ("slowest", ctypes.c_uint64),
        ("page_table", ctypes.c_uint64),
        ("chain", ctypes.c_uint64),
        ("count", _Count),
        ("phases", _Count * PHASES),
        ("secret_sha256", ctypes.c_uint8 * 32),
        ("records", _Record * RECORDS),
        ("reach", ctypes.c_int64 * REACH),
    ]


SIZE = ctypes.sizeof(_Layout)


@dataclass(frozen=True)
class Count:
    """Requests sent, answered right or wrong, failed; starts, and those that were part of a load;
    the last failure's -errno or 0."""

    sent: int
    right: int
    wrong: int
    failed: int
    starts: int
    loads: int
    error: int


@dataclass(frozen=True)
class Record:
    """One of the last requests; `error` is 0 or -errno."""

    number: int
    generation: int
    error: int
    wrong: bool
    nanoseconds: int


@dataclass(frozen=True)
class Tally:
    """What the witness saw up to one moment. Addresses are the guest's, times nanoseconds."""

    heartbeat: int
    state: State
    command: int
    phase: int
    generation: int
    pid: int
    violations: Violation
    vmforks: int
    slowest: int
    page_table: int
    chain: int
    count: Count
    phases: tuple[Count, ...]
    secret_sha256: bytes
    records: tuple[Record, ...]
    reach: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        """The tally as it is kept beside the results."""
        return {
            "heartbeat": self.heartbeat,
            "state": self.state.name.lower(),
            "phase": self.phase,
            "generation": self.generation,
            "pid": self.pid,
            "violations": [flag.name for flag in self.violations],
            "slowest_ns": self.slowest,
            "count": vars(self.count),
            "phases": [vars(phase) for phase in self.phases],
            "secret_sha256": self.secret_sha256.hex(),
            "records": [vars(record) for record in self.records],
            "reach": list(self.reach),
        }


def _count(raw: _Count) -> Count:
    return Count(raw.sent, raw.right, raw.wrong, raw.failed, raw.starts, raw.loads, raw.error)


def heartbeat(data: bytes) -> int:
    """The heartbeat's count, which is whole even while the rest is being written."""
    return int(_Layout.from_buffer_copy(data).heartbeat)


def parse(data: bytes) -> Tally | None:
    """The tally in `data`, or None if it was being written when the machine was paused.

    Raises VmLost if this is no tally of this version: nothing may be concluded from it.
    """
    if len(data) != SIZE:
        raise VmLost(f"the tally has {len(data)} bytes, not {SIZE}")
    raw = _Layout.from_buffer_copy(data)
    if (raw.magic, raw.version, raw.size) != (MAGIC, VERSION, SIZE):
        raise VmLost(f"no tally: magic {raw.magic:#x}, version {raw.version}, size {raw.size}")
    if raw.sequence % 2:
        return None
    try:
        state = State(raw.state)
    except ValueError:
        raise VmLost(f"the tally's state is {raw.state}") from None
    return Tally(
        heartbeat=raw.heartbeat,
        state=state,
        command=raw.command,
        phase=raw.phase,
        generation=raw.generation,
        pid=raw.pid,
        violations=Violation(raw.violations),
        vmforks=raw.vmforks,
        slowest=raw.slowest,
        page_table=raw.page_table,
        chain=raw.chain,
        count=_count(raw.count),
        phases=tuple(_count(phase) for phase in raw.phases),
        secret_sha256=bytes(raw.secret_sha256),
        records=tuple(
            Record(r.number, r.generation, r.error, bool(r.wrong), r.nanoseconds)
            for r in raw.records
        ),
        reach=tuple(raw.reach),
    )
