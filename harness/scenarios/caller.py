# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by who asks: half of each transaction runs in a task that may be the attacker's own."""

from __future__ import annotations

import os
import struct
from errno import EBUSY, EINVAL, EIO
from os import O_WRONLY, SCHED_OTHER
from signal import SIGKILL
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.attacker.tools.cgroup import root
from harness.model.verdict import Effect, Verdict
from harness.scenarios.cgroups import MOVED, move_into
from harness.scenarios.direct import by_proc_fd
from harness.scenarios.holes import on_both
from harness.scenarios.registry import BY_OPEN, scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

ENTRY = "/sys/kernel/security/umd_witness_ask"

REQUESTS = 40
ALLOCATIONS = 6
"""More than a caller makes in one request."""
CROWD = 4
LATER = struct.pack("<2Q", 0, 50_000_000)
HARDLY_EVER = struct.pack("<IIQiI3Q", 48, 6, 0, 0, 0, 10_000, 4_000_000_000, 4_000_000_000)
"""struct sched_attr: SCHED_DEADLINE, and nanoseconds of runtime, deadline and period."""
NOT_TRIED = 255
TOGGLES = 50

EXAMINED = "get_task_cred"
"""Called on the handler in whatever task asks: the witness examines it for each request."""

START = 1
"""The kind of request that hands the handler a secret (overlay/kernel/umd_witness/message.h)."""


def served(attacker: Attacker, caller: int) -> None:
    """Wait until a caller has made its requests. Raises ChildProcessError if it could not."""
    _, status = attacker.waitpid(caller)
    if not os.WIFEXITED(status) or os.WEXITSTATUS(status) == NOT_TRIED:
        raise ChildProcessError(f"the caller could not ask: wait status {status:#x}")


def ask(attacker: Attacker) -> None:
    """Make one request of the attacker's own, whether or not an answer comes."""
    with attacker.open(ENTRY, O_WRONLY) as entry:
        try:
            entry.write(b"?")
        except GuestError as error:
            if error.errno not in (EBUSY, EIO):
                raise


@scenario(
    effect=Effect.NONE,
    surface="caller-signal-desync",
    answers=("C14", "R10"),
    reach=EXAMINED,
)
def caller_signals(attacker: Attacker, handler: Handler) -> None:
    """Ask under a storm of signals: the library waits, and a worker of its own uses the pipes."""
    served(attacker, attacker.spawn(attacker.payload("ask"), str(REQUESTS), "storm"))


@scenario(
    effect=Effect.NONE,
    surface="caller-memcg-desync",
    answers=("C14", "R10"),
    reach=EXAMINED,
)
def caller_memcg(attacker: Attacker, handler: Handler) -> None:
    """Ask from a cgroup that may have no memory: what the library needs is not charged to it."""
    callers = root(attacker).child("callers", "memory")
    with attacker.setup():
        begin, writer = attacker.pipe()
        caller = attacker.spawn(attacker.payload("ask"), str(REQUESTS), stdin=begin.fd)
        begin.close()
        while b") S " not in attacker.read_file(f"/proc/{caller}/stat"):
            pass  # once it waits it has its memory
        callers.add(caller)
    callers.set("memory.max", "0")
    writer.close()
    served(attacker, caller)


@scenario(
    effect=Effect.NONE,
    surface="caller-failnth-desync",
    answers=("L6", "C14"),
    reach=EXAMINED,
    needs=("FAILSLAB",),
    lockdown=BY_OPEN,
)
def caller_fail_nth(attacker: Attacker, handler: Handler) -> None:
    """Ask, and have one allocation after the other fail that is made for it."""
    with attacker.setup():
        attacker.write_file("/sys/kernel/debug/failslab/ignore-gfp-wait", b"N")
    served(attacker, attacker.spawn(attacker.payload("ask"), str(ALLOCATIONS), "failing"))


@scenario(
    effect=Effect.AVAILABILITY,
    surface="caller-holds-lock",
    answers=("T10", "L6"),
    reach=EXAMINED,
    holes=on_both(
        Verdict.DISRUPTED,
        "one transaction at a time, and whoever asks holds the lock however little it may run",
    ),
)
def caller_holds_lock(attacker: Attacker, handler: Handler) -> None:
    """Give callers 10 us of CPU time in 4 s: whoever of them holds the lock keeps it for as long.

    Each of them waits for it or has it; to one that may not run it is handed on even so.
    """
    with attacker.setup():
        path = attacker.payload("ask")
        callers = [attacker.spawn(path, "0") for _ in range(CROWD)]
    handler.wait_for_request()
    for caller in callers:
        attacker.syscall("sched_setattr", caller, HARDLY_EVER, 0)
    attacker.syscall("nanosleep", LATER, 0)  # the witness waits by then: its patience ends first
    ask(attacker)
    with attacker.setup():
        for caller in callers:
            attacker.sched_setscheduler(caller, SCHED_OTHER, 0)
            attacker.kill(caller, SIGKILL)
    handler.wait_for_request()


@scenario(
    effect=Effect.INTEGRITY,
    shows="cgroup",
    surface="short-io-by-freeze",
    answers=("L5", "T4"),
    call="write",
    refused=(EINVAL,),
    reach="cgroup_procs_write_start",
    target="system",
    holes=MOVED,
)
def short_io_by_freeze(attacker: Attacker, handler: Handler) -> None:
    """Freeze and thaw the handler all the time, so that its reads and writes might come short.

    They do not: each of its messages is one piece of a pipe. What shows is that it was moved.
    """
    cell = root(attacker).child("cell")
    move_into(cell, handler)
    with attacker.open(f"{cell.path}/cgroup.freeze", O_WRONLY) as freeze:
        for _ in range(TOGGLES):
            freeze.pwrite(b"1", 0)
            freeze.pwrite(b"0", 0)
    handler.wait_for_request()


@by_proc_fd(surface="malicious-input", answers=("C2", "R5"))
def malicious_input(attacker: Attacker, handler: Handler) -> None:
    """Feed the handler input of the attacker's making: a request to forget all and begin anew.

    What input does that gets code into it, the escape scenarios show: they begin where this ends.
    """
    request = START.to_bytes(4, "little").ljust(handler.request_size, b"\xff")
    with attacker.open(f"/proc/{handler.pid}/fd/0", O_WRONLY) as pipe:
        handler.wait_for_request()
        pipe.write(request)
