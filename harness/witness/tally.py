# SPDX-License-Identifier: GPL-2.0-only
"""The tally in guest memory, parsed strictly; `harness.witness.layout` has its memory layout."""

from __future__ import annotations

import struct
from dataclasses import asdict, dataclass
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple

from harness.host.errors import VmLost
from harness.witness.layout import (
    HASH_BYTES,
    MAGIC,
    RETURNS,
    SECRETS,
    SIZE,
    VERSION,
    CountStruct,
    HookStruct,
    RecordStruct,
    TallyStruct,
    unpacker,
)

_SECRET = struct.Struct(f"{HASH_BYTES}s")
_RECORD, _HOOK = unpacker(RecordStruct), unpacker(HookStruct)


class WitnessState(IntEnum):
    """What the witness is doing."""

    BOOTING = 0
    """It has not started yet."""
    RUNNING = 1
    """It sends requests."""
    PARKED = 2
    """It sends no request until the machine gets a new generation id."""
    AFTERMATH = 3
    """It runs the aftermath."""
    DONE = 4
    """The aftermath is over; it sends requests."""


class Violation(IntFlag):
    """Properties of the handler that are no longer as the kernel set them up.

    From SECCOMP on, the handler is compared with the first handler, which started before any
    attack.
    """

    TRACED = 1
    """The handler has a tracer."""
    ADOPTED = 2
    """Its parent is not the task that forked it."""
    FOREIGN_EXE = 4
    """Its program is not on the blob's mount."""
    SECCOMP = 8
    """Its seccomp filter."""
    MARK = 0x10
    """Its mark of the umd LSM."""
    LOCKED = 0x20
    """The number of its locked pages."""
    SWAPPED = 0x40
    """It has swapped pages."""
    MAPPED = 0x80
    """The size of its address space, or of the code in it."""
    PIPES = 0x100
    """The processes that have its pipes open."""
    LIMITS = 0x200
    """Its resource limits."""
    POLICY = 0x400
    """Its scheduling policy, priority, clamps, CPUs, memory nodes or timer slack."""
    CGROUP = 0x800
    """Its cgroup."""
    CREDENTIALS = 0x1000
    """Its credentials."""
    OOM_SCORE = 0x2000
    """Its OOM score adjustment."""
    IMAGE = 0x4000
    """Its text or read-only data differ from the blob's."""
    PERF = 0x8000
    """It has perf events."""
    UPROBED = 0x10000
    """Its code has, or had, breakpoints."""
    FAULTS = 0x20000
    """Fault injection applies to its calls."""
    DUMP = 0x40000
    """Whether it can dump core, or what the dump would contain."""
    ROOT = 0x80000
    """Its root directory."""
    STAND_IN = 0x100000
    """Replies without as many returns from the handler's write(2). Another process wrote them, or a
    single write contained several."""
    BELIEVED = 0x200000
    """The kernel relied on a key, or on a digest, that its own parser does not find in the file."""

    @property
    def word(self) -> str:
        """Its name as printed in details: lower case, with spaces."""
        return str(self.name).lower().replace("_", " ")


class WitnessCommand(IntEnum):
    """The host's commands to the witness."""

    PARK = 1
    """Send no request until the machine gets a new generation id."""
    AFTERMATH = 2
    """Run the aftermath, with as many requests in each phase as the argument says."""
    WATCH = 3
    """Count the calls of the functions given."""
    OPEN_BACKDOOR = 4
    """Replace the handler's program by the one with a backdoor, from the next start on."""
    TRY_ESCAPE = 5
    """Make the handler with the backdoor try a way out, which begins with a `WayOut`."""
    RESTART = 6
    """End the handler; the next request starts another."""
    CHALLENGE = 7
    """Send the handler a request whose body the host has chosen (`Tally.challenge`)."""


@dataclass(frozen=True)
class ServiceCounts:
    """Counts of the handler's service, since boot or in one phase of the aftermath."""

    sent: int
    """Requests sent."""
    right: int
    """Requests answered correctly."""
    wrong: int
    """Requests answered wrongly."""
    failed: int
    """Requests without an answer."""
    starts: int
    """Starts of the handler."""
    loads: int
    """Starts of the handler that were part of a load of its loader."""
    error: int
    """The last failure's negated errno; 0 if none failed."""


class Record(NamedTuple):
    """One of the latest requests."""

    number: int
    """Its number."""
    generation: int
    """Which start of the handler it was sent to."""
    error: int
    """The negated errno that it failed with; 0 if it was answered."""
    wrong: bool
    """Whether the reply was wrong."""
    nanoseconds: int
    """Its reply time; 0 for a request of another manager."""


@dataclass(frozen=True)
class Seen:
    """Calls of a watched function by tasks other than the handler."""

    function: int
    """Its address minus the tally's, which KASLR does not change; 0 if it cannot be watched."""
    on_handler: int
    """Calls with the handler among the arguments."""
    elsewhere: int
    """Calls by user tasks without the handler among the arguments."""
    on_handler_in_call: int
    """How many of the calls on the handler came from the attacking system call."""
    elsewhere_in_call: int
    """How many of the other calls came from the attacking system call."""


class Hook(NamedTuple):
    """Calls of one of the hooks of security modules (`security_*`)."""

    function: int
    """Its address minus the tally's."""
    on_handler: int
    """Calls with the handler as an argument."""
    can_refuse: bool
    """Whether the hook returns a value, and so can refuse."""


@dataclass(frozen=True)
class ReturnedCall:
    """A system call of a handler's, outside of its allow-list, that returned."""

    call: int
    """Its number."""
    compat: bool
    """Whether it was a 32-bit call (int 0x80)."""
    result: int
    """What it returned."""


@dataclass(frozen=True)
class Escape:
    """The attempts of the handler with a backdoor to escape (TRY_ESCAPE)."""

    asked: int
    """Ways out that the handler was asked to try."""
    returned: int
    """System calls outside the allow-list that returned."""
    failed: int
    """Requests to try that were not answered in time."""
    exits: int
    """`Tally.exits` when the last way out was asked for."""
    calls: tuple[ReturnedCall, ...]
    """The latest of these calls, by number modulo `RETURNS`."""

    def since(self, earlier: Escape) -> tuple[ReturnedCall, ...]:
        """Return the calls that returned since an earlier tally, at most the latest `RETURNS`."""
        first = max(earlier.returned, self.returned - RETURNS)
        return tuple(self.calls[number % RETURNS] for number in range(first, self.returned))


@dataclass(frozen=True)
class Challenge:
    """The latest request whose body the host has chosen, and its reply."""

    generation: int
    """Which start of the handler it was sent to."""
    error: int
    """The negated errno that it failed with; 0 if it was answered."""
    chain: bytes
    """The handler's hash chain before it."""
    request: bytes
    """The request."""
    reply: bytes
    """The reply."""


@dataclass(frozen=True)
class Tally:
    """What the witness has recorded up to one moment."""

    heartbeat: int
    """Beats so far, one every 10 ms, whatever the handler does."""
    state: WitnessState
    """What the witness is doing."""
    command: int
    """The sequence number of the last command taken."""
    phase: int
    """Phases of the aftermath begun."""
    generation: int
    """Starts of the handler so far."""
    pid: int
    """The handler's pid."""
    violations: Violation
    """All violations seen so far."""
    vmforks: int
    """New generation ids of the machine seen, after each of which the kernel reseeds."""
    slowest: int
    """The longest time of an answered request, with the witness's looks at the handler before and
    after it, in nanoseconds."""
    page_table: int
    """Physical address of the handler's top-level page table."""
    chain: int
    """Virtual address of a kernel thread's hash chain; 0 for a process."""
    count: ServiceCounts
    """The counts since boot."""
    phases: tuple[ServiceCounts, ...]
    """The counts of each phase of the aftermath."""
    secret_slots: tuple[bytes, ...]
    """SHA-256 hashes of the secrets of the latest handlers, by generation modulo `SECRETS`; zeros
    where there is none."""
    records: tuple[Record, ...]
    """The latest requests, in no order."""
    exits: int
    """Handlers that have ended, for whatever cause."""
    exit_code: int
    """The last one's wait status, as in wait(2)."""
    demoted: int
    """How often the witness had lost its own priority."""
    escape: Escape
    """The escapes tried by a handler with a backdoor."""
    named: tuple[Seen, ...]
    """The calls of the functions of the last WATCH, in its order."""
    hooks: tuple[Hook, ...]
    """The hooks called, in the order of their first calls."""
    challenge: Challenge
    """The host's latest challenge; zeros if there was none."""

    @property
    def secrets_sha256(self) -> tuple[bytes, ...]:
        """The hashes that there are."""
        return tuple(filter(any, self.secret_slots))

    def secret_sha256(self, generation: int) -> bytes:
        """Return the SHA-256 of the secret of one of the latest handlers."""
        return self.secret_slots[generation % SECRETS]

    def as_json(self) -> dict[str, Any]:
        """Return the tally as it is stored beside the results."""
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
            "records": [record._asdict() for record in self.records],
            "exits": self.exits,
            "exit_code": self.exit_code,
            "demoted": self.demoted,
            "escape": asdict(self.escape),
            "named": [vars(seen) for seen in self.named if seen.function],
        }


def _count(raw: CountStruct) -> ServiceCounts:
    return ServiceCounts(
        raw.sent, raw.right, raw.wrong, raw.failed, raw.starts, raw.loads, raw.error
    )


def heartbeat(data: bytes) -> int:
    """Return the heartbeat's count, which is valid even while the rest is being written."""
    return int(TallyStruct.from_buffer_copy(data).heartbeat)


def parse(data: bytes) -> Tally | None:
    """Parse a tally; return None if the machine was paused while the witness wrote the tally.

    Raises VmLost if the data is not a tally of this version, from which no verdict can be drawn.
    """
    if len(data) != SIZE:
        raise VmLost(f"the tally has {len(data)} bytes, not {SIZE}")
    raw = TallyStruct.from_buffer_copy(data)
    if (raw.magic, raw.version, raw.size) != (MAGIC, VERSION, SIZE):
        raise VmLost(f"not a tally: magic {raw.magic:#x}, version {raw.version}, size {raw.size}")
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
        secret_slots=tuple(slot for (slot,) in _SECRET.iter_unpack(raw.secrets_sha256)),
        records=tuple(
            Record(number, generation, error, bool(wrong), nanoseconds)
            for number, generation, error, wrong, nanoseconds in _RECORD.iter_unpack(raw.records)
        ),
        exits=raw.exits,
        exit_code=raw.exit_code,
        demoted=raw.demoted,
        escape=Escape(
            raw.escape.asked,
            raw.escape.returned,
            raw.escape.failed,
            raw.escape.exits,
            tuple(
                ReturnedCall(c.call & 0xFFFFFFFF, bool(c.call >> 32), c.result)
                for c in raw.escape.calls
            ),
        ),
        named=tuple(
            Seen(s.function, s.on_handler, s.elsewhere, s.on_handler_in_call, s.elsewhere_in_call)
            for s in raw.named
        ),
        hooks=tuple(
            Hook(function, on_handler, bool(can_refuse))
            for function, on_handler, can_refuse in _HOOK.iter_unpack(raw.hooks)
            if function
        ),
        challenge=Challenge(
            raw.challenge.generation,
            raw.challenge.error,
            bytes(raw.challenge.chain),
            bytes(raw.challenge.request),
            bytes(raw.challenge.reply),
        ),
    )
