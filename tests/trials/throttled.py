# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by a throttled process: it keeps a lock that the handler's start or end needs."""

from __future__ import annotations

from functools import partial
from os import O_NONBLOCK, SCHED_OTHER
from signal import SIGKILL
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import NoTarget
from harness.attacker.tools.bpf import BpfObject, u32, u64
from harness.model.variants import VARIANTS
from harness.model.verdict import Effect, Verdict
from harness.scenarios.caller import PAUSE
from harness.scenarios.holes import on_isolated
from harness.scenarios.memory import DROP_CACHES, NO_MEMORY
from harness.scenarios.registry import BY_OPEN, scenario

from .throttle import Errand, allow_one_budget, write_once

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

THP = "/sys/kernel/mm/transparent_hugepage"
SPLIT = "/sys/kernel/debug/split_huge_pages"
COMPACT = "/proc/sys/vm/compact_memory"
"""Any write puts the pages of all batches on the LRU lists. A page in a batch is not split."""
LARGE = "16kB", "32kB", "64kB"
"""The sizes of large pages that fit into a stack."""

DROP_MS, SPLIT_MS, ALLOCATE_MS = 100, 600, 100
"""The CPU time of each errand: enough to come to the place where a BPF program spends more."""
SPENT_MS, SPENT_IN_SPLIT_MS = 400, 1000
PAST_DEADLINE_NS = 5_000_000_000
"""The library waits 2 s for the handler's end, and the request behind it as long."""
TRIES = 5

NOT_LOCKED = {
    v.name: "nothing populates its stack, which has no large pages then"
    for v in VARIANTS.values()
    if not v.protects and not v.is_thread
}


_throttled = partial(
    scenario,
    effect=Effect.AVAILABILITY,
    answers=("L6", "R16"),
    target="system",
)


@_throttled(
    surface="own",
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
    taker = Errand(attacker, attacker.payload("take_percpu"), milliseconds=ALLOCATE_MS)
    if not taker.run("dawdle_in_percpu", spent=SPENT_MS):
        raise LookupError("no chunk was made")
    handler.restart()
    taker.release()


@_throttled(
    surface="own",
    reach="drop_caches_sysctl_handler",
    holes=on_isolated(
        Verdict.DISRUPTED,
        "the library unmounts the blob with its lock held, and waits for the file system's lock",
    ),
)
def unload_behind_drop_caches(attacker: Attacker, handler: Handler) -> None:
    """Throttle a process in drop_caches at the blob's file system, and unload the loader.

    The library waits for the lock of that file system, with its own lock held: no request is
    answered.
    """
    unload = attacker.payload("unload")
    dropper = write_once(attacker, DROP_CACHES, milliseconds=DROP_MS)
    if not dropper.run("dawdle_in_blob", spent=SPENT_MS):
        raise NoTarget("there is no file system of a blob")
    attacker.spawn(unload, handler.loader)
    attacker.syscall("nanosleep", PAUSE, 0)
    # The witness waits for the library's lock as well, without a deadline. So it counts no failure.
    if not handler.is_silent_for(PAST_DEADLINE_NS):
        raise LookupError("requests were answered all the while")
    dropper.release()
    handler.wait_for_request()


def put_blob_into_huge_page(attacker: Attacker, handler: Handler) -> None:
    """Load the blob again when the kernel may take nothing but huge pages for a tmpfs."""
    attacker.write_file(f"{THP}/shmem_enabled", b"force")
    attacker.syscall("delete_module", handler.loader, O_NONBLOCK)
    handler.wait_for_request()


_by_split = partial(
    _throttled,
    surface="split-huge-pages",
    reach="split_huge_pages_write",
    needs=("TRANSPARENT_HUGEPAGE",),
    since="6.12",  # split_huge_page_to_list_to_order(), large pages of more than one size
    lockdown=BY_OPEN,
)


@_by_split(
    prepare=put_blob_into_huge_page,
    holes=on_isolated(Verdict.DISRUPTED, "the split of a blob's page locks it, and asks no hook"),
)
def blob_split_throttled(attacker: Attacker, handler: Handler) -> None:
    """Have the blob in a huge page, and throttle a process that splits it. No handler starts."""
    splitter = write_once(attacker, SPLIT, milliseconds=SPLIT_MS)
    attacker.write_file(COMPACT, b"1")
    if not splitter.run("dawdle_in_split", spent=SPENT_IN_SPLIT_MS):
        raise NoTarget("there is no blob in a huge page")
    handler.restart()
    splitter.release()


def put_stack_into_large_pages(attacker: Attacker, handler: Handler) -> None:
    """Start another handler when the kernel may take large pages for each process."""
    for size in LARGE:
        attacker.write_file(f"{THP}/hugepages-{size}/enabled", b"always")
    handler.restart()
    handler.wait_for_request()


@_by_split(
    prepare=put_stack_into_large_pages,
    control="isolated",
    not_applicable=NOT_LOCKED,
    holes=on_isolated(
        Verdict.DISRUPTED, "the split locks all anonymous memory of the stack, and asks no hook"
    ),
)
def stack_split_throttled(attacker: Attacker, handler: Handler) -> None:
    """Have the handler's stack in large pages, and throttle a process that splits one.

    The handler's end waits for the lock of the stack's anonymous memory.
    """
    splitter = write_once(attacker, SPLIT, milliseconds=SPLIT_MS)
    attacker.write_file(DROP_CACHES, b"1")  # as COMPACT, but no page of the stack moves
    if not splitter.run("dawdle_in_split", spent=SPENT_IN_SPLIT_MS, anonymous=u32(1)):
        raise NoTarget("it has no stack in large pages")
    handler.restart()
    handler.let_pass(PAST_DEADLINE_NS)
    splitter.release()


@scenario(
    effect=Effect.AVAILABILITY,
    surface="process-mrelease",
    answers=("L6", "R16"),
    reach="find_lock_task_mm",
    cpus=2,
    tries=TRIES,
    holes=on_isolated(
        Verdict.DISRUPTED, "process_mrelease(2) takes the mmap_lock of a driver, and asks no hook"
    ),
)
def mrelease_throttled(attacker: Attacker, handler: Handler) -> None:
    """Throttle process_mrelease(2) on the handler while it is killed. The handler does not end.

    Its end waits for the mmap_lock that the throttled process holds.
    """
    payload = attacker.payload("mrelease")
    allow_one_budget(attacker)
    for _ in range(TRIES):
        spend = BpfObject(attacker, "dawdle_in_reap", nanoseconds=u64(SPENT_MS * 1_000_000))
        with attacker.setup():
            said, writer = attacker.pipe()
            with writer:
                attacker.spawn(payload, str(handler.pid), stdout=writer.fd)
            reaper = int.from_bytes(said.read(4), "little")
        handler.restart()
        won = bool(spend.hits())
        attacker.tried(won=won)
        if won:
            handler.let_pass(PAST_DEADLINE_NS)
        attacker.sched_setscheduler(reaper, SCHED_OTHER, 0)
        attacker.kill(reaper, SIGKILL)
        spend.end()
        if handler.is_thread:
            raise NoTarget(NO_MEMORY)
        if won:
            break
        handler.wait_for_request()
