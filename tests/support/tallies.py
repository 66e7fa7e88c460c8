# SPDX-License-Identifier: GPL-2.0-only
"""Tallies made by hand: as the bytes in guest memory, and as parsed from them."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

from harness.model.attempt_end import AttemptEnd, End
from harness.witness.evidence import Evidence
from harness.witness.layout import (
    HASH_BYTES,
    HOOKS,
    MAGIC,
    MESSAGE_BYTES,
    NAMED,
    PHASES,
    RECORDS,
    RETURNS,
    SECRETS,
    SIZE,
    VERSION,
)
from harness.witness.tally import (
    Challenge,
    Escape,
    ReturnedCall,
    Seen,
    ServiceCounts,
    Tally,
    Violation,
    WitnessState,
)

HEAD = struct.Struct("<QIIQIIIIIiIIQQQ")
"""struct umd_witness_tally up to its counts (overlay/kernel/umd_witness/tally.h)."""
COUNT = struct.Struct("<6IiI")
RECORD = struct.Struct("<IIiIQ")
SEEN = struct.Struct("<q4I")
HOOK = struct.Struct("<qII")

COMPLETED = AttemptEnd(End.COMPLETED)
REFUSED = AttemptEnd(End.REFUSED, "EPERM at openat")
NO_TARGET = AttemptEnd(End.NO_TARGET, "ESRCH at openat")
LOCKED_DOWN = AttemptEnd(End.LOCKED_DOWN, "EPERM at openat")
BROKEN = AttemptEnd(End.BROKEN, "unexpected ENOENT at openat")


def layout(**fields: int) -> bytes:
    """The bytes of a consistent tally; each field except `fields` has a value of its own."""
    head = {
        "magic": MAGIC,
        "version": VERSION,
        "size": SIZE,
        "heartbeat": 11,
        "sequence": 12,
        "state": WitnessState.DONE,
        "command": 13,
        "phase": 3,
        "generation": 14,
        "pid": 15,
        "violations": 0,
        "vmforks": 1,
        "slowest": 16,
        "page_table": 17,
        "chain": 18,
    }
    assert set(fields) <= set(head)
    counts = [COUNT.pack(*(100 * place + n for n in range(6)), -place, 0) for place in range(4)]
    records = [RECORD.pack(n, 2, -n, n % 2, 1000 * n) for n in range(RECORDS)]
    seen = [SEEN.pack(0x1000 * n, 3 * n, 4 * n, n, 2 * n) for n in range(NAMED)]
    hooks = [HOOK.pack(0x1000 * n, n, 2 * n) for n in range(NAMED, NAMED + HOOKS)]
    calls = [struct.pack("<Qq", (n % 2) << 32 | 40 + n, -n) for n in range(RETURNS)]
    return b"".join(
        [
            HEAD.pack(*{**head, **fields}.values()),
            *counts,
            bytes(range(32)),
            bytes(32 * (SECRETS - 1)),
            *records,
            struct.pack("<Ii6I", 21, -22, 26, 0, 23, 24, 28, 29),
            *calls,
            *seen,
            *hooks,
            struct.pack("<Ii", 31, -32),
            b"c" * HASH_BYTES + b"q" * MESSAGE_BYTES + b"r" * MESSAGE_BYTES,
        ]
    )


def count(**numbers: int) -> ServiceCounts:
    """Service counts that are 0 except for `numbers`."""
    return replace(
        ServiceCounts(sent=0, right=0, wrong=0, failed=0, starts=0, loads=0, error=0), **numbers
    )


WHOLE_PHASES = (
    count(sent=16, right=16),
    count(sent=16, right=16, starts=1),
    count(sent=16, right=16, starts=1, loads=1),
)
"""The tally after an aftermath in which nothing went wrong."""

NO_CALL = ReturnedCall(call=0, compat=False, result=0)

BEFORE = Tally(
    heartbeat=100,
    state=WitnessState.RUNNING,
    command=1,
    phase=0,
    generation=1,
    pid=30,
    violations=Violation(0),
    vmforks=1,
    slowest=2_000_000,
    page_table=0x1000,
    chain=0,
    count=count(sent=20, right=20, starts=1),
    phases=(count(),) * PHASES,
    secret_slots=(bytes(32),) * SECRETS,
    records=(),
    exits=0,
    exit_code=0,
    demoted=0,
    escape=Escape(asked=0, returned=0, failed=0, exits=0, calls=(NO_CALL,) * RETURNS),
    named=(Seen(0, 0, 0, 0, 0),) * NAMED,
    hooks=(),
    challenge=Challenge(0, 0, bytes(HASH_BYTES), bytes(MESSAGE_BYTES), bytes(MESSAGE_BYTES)),
)
AFTER = replace(
    BEFORE,
    heartbeat=200,
    state=WitnessState.DONE,
    phase=PHASES,
    generation=3,
    count=count(sent=70, right=70, starts=3),
    phases=WHOLE_PHASES,
)


def evidence(*, after: Tally = AFTER, **other: Any) -> Evidence:
    """Evidence of an attack that arrived and had no effect, except for `other`."""
    usual: dict[str, Any] = {
        "before": BEFORE,
        "attacked": BEFORE,
        "after": after,
        "taint": 0,
        "reached": 1,
        "shown": (),
        "secrets": frozenset(),
        "gained": (),
        "aftermath_ended": True,
        "stalled": 0.0,
        "delay": 1.0,
        "forced": 0,
        "inside": False,
        "whole_kernel": False,
        "policed": False,
        "witness_changed": False,
        "entered": {},
        "pauses": False,
        "records": (),
        "at_rest": "",
        "unseen": "",
        "contradictions": (),
        "kernel_changed": "",
    }
    return Evidence(**{**usual, **other})
