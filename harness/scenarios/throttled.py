# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by a throttled process: it keeps a lock that the handler's start or end needs."""

from __future__ import annotations

from functools import partial
from os import O_NONBLOCK, SCHED_OTHER
from signal import SIGKILL
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import NoTarget
from harness.attacker.tools.bpf import BpfObject, u32
from harness.attacker.tools.throttle import allow_one_budget, write_once
from harness.model.variants import VARIANTS
from harness.model.verdict import Effect
from harness.scenarios.memory import DROP_CACHES, NO_MEMORY
from harness.scenarios.registry import BY_OPEN, scenario
from harness.scenarios.scheduling import PAST_DEADLINE_NS

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

THP = "/sys/kernel/mm/transparent_hugepage"
SPLIT = "/sys/kernel/debug/split_huge_pages"
COMPACT = "/proc/sys/vm/compact_memory"
"""Any write puts the pages of all batches on the LRU lists. A page in a batch is not split."""
LARGE = "16kB", "32kB", "64kB"
"""The sizes of large pages that fit into a stack."""

TRIES = 5
UNLOADING_NS = 2 * PAST_DEADLINE_NS
"""Longer than an unload takes on a busy host (`slowed`)."""

NOT_LOCKED = {
    v.name: "nothing populates its stack, which has no large pages then"
    for v in VARIANTS.values()
    if not v.has_defence("locked")
}


_throttled = partial(scenario, effect=Effect.AVAILABILITY, answers=("L6", "R16"), target="system")
_by_split = partial(
    _throttled,
    surface="split-huge-pages",
    reach="split_huge_pages_write",
    needs=("TRANSPARENT_HUGEPAGE",),
    since="6.12",  # split_huge_page_to_list_to_order(), large pages of more than one size
    lockdown=BY_OPEN,
)


@_by_split()
def blob_split_throttled(attacker: Attacker, handler: Handler) -> None:
    """Have the blob in a huge page, and throttle a process that splits it. No handler starts."""
    attacker.write_file(f"{THP}/shmem_enabled", b"force")
    handler.expect_restart()
    attacker.syscall("delete_module", handler.loader, O_NONBLOCK)
    handler.wait_for_request()
    splitter = write_once(attacker, SPLIT)
    attacker.write_file(COMPACT, b"1")
    if not splitter.run("dawdle_in_split"):
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
    control="proposal-mark",
    not_applicable=NOT_LOCKED,
)
def stack_split_throttled(attacker: Attacker, handler: Handler) -> None:
    """Have the handler's stack in large pages, and throttle a process that splits one.

    The handler's end waits for the lock of the stack's anonymous memory.
    """
    splitter = write_once(attacker, SPLIT)
    attacker.write_file(DROP_CACHES, b"1")  # as COMPACT, but no page of the stack moves
    if not splitter.run("dawdle_in_split", anonymous=u32(1)):
        raise NoTarget("it has no stack in large pages")
    handler.restart()
    handler.let_pass(PAST_DEADLINE_NS)
    splitter.release()


@_throttled(surface="unmount-lock", reach="drop_caches_sysctl_handler")
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
    unloader = attacker.spawn(unload, handler.loader)
    handler.let_pass(UNLOADING_NS)
    dropper.release()
    _, status = attacker.waitpid(unloader)
    if status:
        raise LookupError("the loader was not unloaded")
    handler.wait_for_request()


@_throttled(
    surface="process-mrelease",
    reach="pidfd_get_task",
    cpus=2,
    tries=TRIES,
)
def mrelease_throttled(attacker: Attacker, handler: Handler) -> None:
    """Throttle process_mrelease(2) on the handler while it is killed. The handler does not end.

    Its end waits for the mmap_lock that the throttled process holds.
    """
    payload = attacker.payload("mrelease")
    allow_one_budget(attacker)
    for _ in range(TRIES):
        spend = BpfObject(attacker, "dawdle_in_reap")
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
