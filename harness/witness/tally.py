# SPDX-License-Identifier: GPL-2.0-only
"""The tally as the kernel lays it out (overlay/kernel/umd_witness/tally.h), parsed strictly."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any

from harness.host.errors import VmLost

MAGIC = 0x5353454E54495755
VERSION = 5
PHASES = 3
RECORDS = 128
SECRETS = 16
NAMED = 8
HOOKS = 64


class WitnessState(IntEnum):
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
    SECCOMP = 8
    MARK = 0x10
    LOCKED = 0x20
    SWAPPED = 0x40
    MAPPED = 0x80
    PIPES = 0x100
    LIMITS = 0x200
    POLICY = 0x400
    CGROUP = 0x800
    CREDENTIALS = 0x1000
    OOM_SCORE = 0x2000
    IMAGE = 0x4000
    PERF = 0x8000
    UPROBED = 0x10000
    FAULTS = 0x20000
    DUMP = 0x40000
    ROOT = 0x80000

    @property
    def word(self) -> str:
        """Its name as it is printed."""
        return str(self.name).lower().replace("_", " ")


class Command(IntEnum):
    """What the host may ask of the witness."""

    PARK = 1
    AFTERMATH = 2
    WATCH = 3
    OPEN_BACKDOOR = 4
    TRY_ESCAPE = 5
    RESTART = 6


class _ServiceCounts(ctypes.LittleEndianStructure):
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


class _Seen(ctypes.LittleEndianStructure):
    _fields_ = [
        ("function", ctypes.c_int64),
        ("on_handler", ctypes.c_uint32),
        ("elsewhere", ctypes.c_uint32),
    ]


class _Hook(ctypes.LittleEndianStructure):
    _fields_ = [
        ("function", ctypes.c_int64),
        ("on_handler", ctypes.c_uint32),
        ("can_refuse", ctypes.c_uint32),
    ]


class _Escape(ctypes.LittleEndianStructure):
    _fields_ = [
        ("asked", ctypes.c_uint32),
        ("returned", ctypes.c_uint32),
        ("call", ctypes.c_int64),
        ("result", ctypes.c_int64),
        ("failed", ctypes.c_uint32),
        ("exits", ctypes.c_uint32),
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
        ("count", _ServiceCounts),
        ("phases", _ServiceCounts * PHASES),
        ("secrets_sha256", ctypes.c_uint8 * 32 * SECRETS),
        ("records", _Record * RECORDS),
        ("exits", ctypes.c_uint32),
        ("exit_code", ctypes.c_int32),
        ("demoted", ctypes.c_uint32),
        ("unused", ctypes.c_uint32),
        ("escape", _Escape),
        ("named", _Seen * NAMED),
        ("hooks", _Hook * HOOKS),
    ]


SIZE = ctypes.sizeof(_Layout)


@dataclass(frozen=True)
class ServiceCounts:
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
class Seen:
    """Calls of a function, with the handler among the arguments and without.

    `function` is how far it lies from the tally, in bytes, wherever the kernel was loaded to.
    """

    function: int
    on_handler: int
    elsewhere: int


@dataclass(frozen=True)
class Hook:
    """Calls of a security module's hook on the handler, and whether it returns anything."""

    function: int
    on_handler: int
    can_refuse: bool


@dataclass(frozen=True)
class Escape:
    """Ways out that the handler with a backdoor was asked to try; calls outside the allow-list
    that returned; the last one's number, whether it was a 32-bit one, and what it returned.
    `failed` of the requests were not answered in time; `exits` handlers had ended by the last."""

    asked: int
    returned: int
    call: int
    compat: bool
    result: int
    failed: int
    exits: int


@dataclass(frozen=True)
class Tally:
    """What the witness saw up to one moment. Addresses are the guest's, times nanoseconds."""

    heartbeat: int
    state: WitnessState
    command: int
    phase: int
    generation: int
    pid: int
    violations: Violation
    vmforks: int
    slowest: int
    page_table: int
    chain: int
    count: ServiceCounts
    phases: tuple[ServiceCounts, ...]
    secrets_sha256: tuple[bytes, ...]
    records: tuple[Record, ...]
    exits: int
    exit_code: int
    demoted: int
    escape: Escape
    named: tuple[Seen, ...]
    hooks: tuple[Hook, ...]

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
            "secrets_sha256": [secret.hex() for secret in self.secrets_sha256],
            "records": [vars(record) for record in self.records],
            "exits": self.exits,
            "exit_code": self.exit_code,
            "demoted": self.demoted,
            "escape": vars(self.escape),
            "named": [vars(seen) for seen in self.named if seen.function],
        }


def _count(raw: _ServiceCounts) -> ServiceCounts:
    return ServiceCounts(
        raw.sent, raw.right, raw.wrong, raw.failed, raw.starts, raw.loads, raw.error
    )


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
        state = WitnessState(raw.state)
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
        secrets_sha256=tuple(filter(any, map(bytes, raw.secrets_sha256))),
        records=tuple(
            Record(r.number, r.generation, r.error, bool(r.wrong), r.nanoseconds)
            for r in raw.records
        ),
        exits=raw.exits,
        exit_code=raw.exit_code,
        demoted=raw.demoted,
        escape=Escape(
            raw.escape.asked,
            raw.escape.returned,
            raw.escape.call & 0xFFFFFFFF,
            bool(raw.escape.call >> 32),
            raw.escape.result,
            raw.escape.failed,
            raw.escape.exits,
        ),
        named=tuple(Seen(s.function, s.on_handler, s.elsewhere) for s in raw.named),
        hooks=tuple(
            Hook(h.function, h.on_handler, bool(h.can_refuse)) for h in raw.hooks if h.function
        ),
    )
