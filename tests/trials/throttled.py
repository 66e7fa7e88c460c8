# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by a throttled process, which keeps the lock of per-CPU memory or of a file system."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import NoTarget
from harness.attacker.tools.throttle import Errand, write_once
from harness.model.verdict import Effect, Verdict
from harness.scenarios.caller import PAUSE
from harness.scenarios.holes import on_isolated
from harness.scenarios.memory import DROP_CACHES
from harness.scenarios.registry import scenario
from harness.scenarios.scheduling import PAST_DEADLINE_NS

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler


_throttled = partial(
    scenario,
    effect=Effect.AVAILABILITY,
    surface="own",
    answers=("L6", "R16"),
    target="system",
)


@_throttled(
    reach="pcpu_alloc_noprof",
    since="6.12",  # alloc_pages_bulk_noprof()
    holes=on_isolated(
        Verdict.DISRUPTED, "exec allocates per-CPU memory, under a lock of all processes"
    ),
)
def percpu_lock_throttled(attacker: Attacker, handler: Handler) -> None:
    """Throttle a process that makes a chunk of per-CPU memory. Each exec waits for its lock.

    No memory has to be reclaimed: the kernel looks for other processes each time it has allocated
    100 pages for its notes on the chunk.
    """
    taker = Errand(attacker, attacker.payload("take_percpu"))
    if not taker.run("dawdle_in_percpu"):
        raise LookupError("no chunk was made")
    handler.restart()
    taker.release()


@_throttled(reach="drop_caches_sysctl_handler")
def unload_behind_drop_caches(attacker: Attacker, handler: Handler) -> None:
    """Throttle a process in drop_caches at the blob's file system, and unload the loader.

    The library waits for the lock of that file system, with its own lock held: no request is
    answered.
    """
    unload = attacker.payload("unload")
    dropper = write_once(attacker, DROP_CACHES)
    if not dropper.run("dawdle_in_blob"):
        raise NoTarget("there is no file system of a blob")
    handler.expect_restart()
    attacker.spawn(unload, handler.loader)
    attacker.syscall("nanosleep", PAUSE, 0)
    # The witness waits for the library's lock as well, without a deadline: it counts no failure.
    if not handler.is_silent_for(PAST_DEADLINE_NS):
        raise LookupError("requests were answered all the while")
    dropper.release()
    handler.wait_for_request()
