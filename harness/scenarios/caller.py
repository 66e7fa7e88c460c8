# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by the caller: half of each transaction runs in a task that the attacker may own."""

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
"""How many requests to make, each with another allocation that fails: more than one makes."""
CALLERS = 4
PAUSE = struct.pack("<2Q", 0, 50_000_000)
"""struct timespec: 50 ms."""
HARDLY_EVER = struct.pack("<IIQiI3Q", 48, 6, 0, 0, 0, 10_000, 4_000_000_000, 4_000_000_000)
"""struct sched_attr: SCHED_DEADLINE, and nanoseconds of runtime, deadline and period."""
NOT_TRIED = 255
TOGGLES = 50

EXAMINED = "get_task_cred"
"""The witness calls it on the handler for each request, in the task of the caller."""

START = 1
"""The kind of request that gives the handler a secret (overlay/kernel/umd_witness/message.h)."""


def served(attacker: Attacker, caller: int) -> None:
    """Wait until a caller has made its requests. Raises ChildProcessError if the caller failed."""
    _, status = attacker.waitpid(caller)
    if not os.WIFEXITED(status) or os.WEXITSTATUS(status) == NOT_TRIED:
        raise ChildProcessError(f"the caller could not ask: wait status {status:#x}")


def ask(attacker: Attacker) -> None:
    """Make one request from the attacker's own task. A missing answer is no error."""
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
    """Make requests from a task under a storm of signals. A kernel worker does the pipe I/O."""
    served(attacker, attacker.spawn(attacker.payload("ask"), str(REQUESTS), "storm"))


@scenario(
    effect=Effect.NONE,
    surface="caller-memcg-desync",
    answers=("C14", "R10"),
    reach=EXAMINED,
)
def caller_memcg(attacker: Attacker, handler: Handler) -> None:
    """Make requests from a cgroup with memory.max 0. The library's memory is not charged to it."""
    callers = root(attacker).child("callers", "memory")
    with attacker.setup():
        begin, writer = attacker.pipe()
        caller = attacker.spawn(attacker.payload("ask"), str(REQUESTS), stdin=begin.fd)
        begin.close()
        while b") S " not in attacker.read_file(f"/proc/{caller}/stat"):
            pass  # a caller that sleeps has all its memory
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
    """Make six requests. The nth allocation of the nth request fails (fail-nth, failslab)."""
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
        "the library serves one caller at a time, and a throttled caller keeps the lock",
    ),
)
def caller_holds_lock(attacker: Attacker, handler: Handler) -> None:
    """Make requests from tasks with 10 us of CPU time in 4 s. The lock holder stalls all requests.

    Each caller waits for the library's lock or holds it. The lock is handed on to a waiter even if
    that waiter is throttled.
    """
    with attacker.setup():
        path = attacker.payload("ask")
        callers = [attacker.spawn(path, "0") for _ in range(CALLERS)]
    handler.wait_for_request()
    for caller in callers:
        attacker.syscall("sched_setattr", caller, HARDLY_EVER, 0)
    # After the pause the witness waits too, and its deadline ends before that of ask().
    attacker.syscall("nanosleep", PAUSE, 0)
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
    """Freeze and thaw the handler's cgroup in a loop, to cut its reads and writes short.

    The reads and writes are not cut short, because each message is one buffer of a pipe. The
    verdict shows the move into the cgroup.
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
    """Write a forged START request to /proc/<pid>/fd/0. The handler drops its state.

    Input may also bring code into the handler. The escape scenarios show what such
    code can do.
    """
    request = START.to_bytes(4, "little").ljust(handler.request_size, b"\xff")
    with attacker.open(f"/proc/{handler.pid}/fd/0", O_WRONLY) as pipe:
        handler.wait_for_request()
        pipe.write(request)
