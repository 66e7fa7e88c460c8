# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on swapped-out memory, which root can read and rewrite on the swap device or file."""

from __future__ import annotations

import struct
from errno import EACCES, EINVAL, EPERM, ESRCH
from signal import SIGCONT, SIGSTOP
from typing import TYPE_CHECKING

from harness.attacker.agent.attacker import SECRET_SIZE
from harness.attacker.agent.errors import GuestError, NoTarget
from harness.attacker.tools.bpf import BpfObject
from harness.attacker.tools.damon import Damon
from harness.attacker.tools.pagemap import PAGE
from harness.attacker.tools.perf import REMOVE_ON_EXEC, SIGTRAP, PerfEvent
from harness.attacker.tools.snapshot import SnapshotDevice
from harness.attacker.tools.swap import (
    StaysInMemory,
    SwapDevice,
    SwapFile,
    drain_batches,
    swappable,
)
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import NO_BLOB, on_debug
from harness.scenarios.memory import NO_MEMORY, must_have_memory
from harness.scenarios.registry import BY_OPEN, scenario
from harness.witness.handler import FIRST_ROUNDS

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

LRU_GEN = "/sys/kernel/debug/lru_gen"
LRU_GEN_ENABLED = "/sys/kernel/mm/lru_gen/enabled"
MADV_PAGEOUT = 21
TRIES = 4
ROUNDS = 16
"""How often to age and evict everything. Pages in use stay in memory the first times."""
FILE_PAGES, FILE_TRIES = 16384, 8
"""More pages than a guest can swap out, and tries: pages in use are swapped out last."""
THREADS_MAX = "/proc/sys/kernel/threads-max"


def evict_all(attacker: Attacker) -> None:
    """Age all memory of the root cgroup twice, and evict it."""
    for node, newest in newest_generations(attacker):
        # In one write, or pages that are used in between are young again.
        older, oldest = f"+ 1 {node} {newest} 200 1", f"+ 1 {node} {newest + 1} 200 1"
        evict = f"- 1 {node} {newest} 200"
        attacker.write_file(LRU_GEN, f"{older}\n{oldest}\n{evict}".encode())


def newest_generations(attacker: Attacker) -> list[tuple[int, int]]:
    """Return the memory nodes, each with the number of the root cgroup's youngest generation."""
    found: dict[int, int] = {}
    for line in attacker.read_file(LRU_GEN).decode().splitlines():
        words = line.split()
        if words[0] == "memcg" and found:
            break  # the root cgroup comes first
        if words[0] == "node":
            node = int(words[1])
        elif words[0].isdecimal():
            found[node] = int(words[0])
    return list(found.items())


def in_page(handler: Handler, *names: str) -> list[int]:
    """Return the offset of each of the handler's variables in its page."""
    return [handler.symbol(name) % PAGE for name in names]


@scenario(
    effect=Effect.INTEGRITY,
    surface="process-madvise",
    answers=("T2", "T8", "C3"),
    call="process_madvise",
    refused=(EPERM, EACCES, EINVAL),  # EINVAL: the memory is locked
    no_target=(ESRCH,),
    no_target_at="mm_access",
    reach="mm_access",
)
def process_madvise_swap_tamper(attacker: Attacker, handler: Handler) -> None:
    """Swap out the handler's state by process_madvise(2) and rewrite it on the swap device."""
    pid, chain = handler.pid, handler.symbol("chain")
    page = struct.pack("<QQ", chain & -PAGE, PAGE)
    with attacker.pidfd_open(pid) as pidfd:

        def page_out() -> None:
            attacker.syscall("process_madvise", pidfd.fd, page, 1, MADV_PAGEOUT, 0)

        page_out()
        swap = SwapDevice(attacker, pages=2048)
        attacker.kill(pid, SIGSTOP)  # or the handler faults the page in again
        slot = swap.push_out_page(pid, chain, page_out)
    swap.rewrite(slot, chain % PAGE, b"\xff" * 32)
    attacker.kill(pid, SIGCONT)


@scenario(
    effect=Effect.INTEGRITY,
    surface="tmpfs-blob-swap-tamper",
    answers=("T2", "T8", "C3"),
    reach="try_to_free_mem_cgroup_pages",
    target="start",
    not_applicable=NO_BLOB,
    holes=on_debug(
        Verdict.TAMPERED, "a debugger may end the handler by perf, but the blob stays in memory"
    ),
    seconds=120,
)
def blob_swap_tamper(attacker: Attacker, handler: Handler) -> None:
    """Swap out the blob while no handler runs and rewrite its code on the swap device."""
    swap = SwapDevice(attacker, pages=swappable(attacker))
    offset = handler.offset("sha_round") % PAGE
    find = swap.finder(offset, FIRST_ROUNDS)  # threads-max allows no process later
    with attacker.setup():
        limit = attacker.read_file(THREADS_MAX)
    attacker.write_file(THREADS_MAX, b"1")  # no new handler starts
    try:
        _end_by_perf(attacker, handler)
        slot = swap.push_out(find)
        swap.rewrite(slot, offset, bytes(len(FIRST_ROUNDS)))
    except StaysInMemory as error:
        raise NoTarget("the blob is not swapped out") from error
    finally:
        attacker.write_file(THREADS_MAX, limit)


def _end_by_perf(attacker: Attacker, handler: Handler) -> None:
    """Kill the handler by perf's SIGTRAP, if root may open an event on it."""
    try:
        PerfEvent(attacker, handler.pid, flags=SIGTRAP | REMOVE_ON_EXEC)
    except GuestError as error:
        if error.errno != EPERM:
            raise


@scenario(
    effect=Effect.INTEGRITY,
    surface="swap-tamper-anon",
    answers=("T2", "T8", "C3"),
    reach="swap_writepage",
    target="system",
    tries=TRIES,
    pauses=True,
    lockdown=BY_OPEN,
)
def swap_tamper_anon(attacker: Attacker, handler: Handler) -> None:
    """Swap out a frozen machine and rewrite the page that looks like the handler's state.

    The kernel chooses which pages it swaps out, not root. It may spare one handler and take the
    next.
    """
    pages = swappable(attacker)
    SwapDevice(attacker, pages=pages)
    SnapshotDevice(attacker).close()  # the payload opens it as well, but reports no errno
    places = in_page(handler, "request", "chain")
    payload, words = attacker.payload("edit_swap"), tuple(map(str, (pages, *places)))
    for _ in range(TRIES):
        attacker.run(payload, *words)
        won = handler.has_lied()
        attacker.tried(won=won)
        if won:
            break
        handler.restart()


@scenario(
    effect=Effect.INTEGRITY,
    shows="swapped",
    surface="memcg-reclaim",
    answers=("T2", "C3", "T1"),
    reach="walk_page_range",
    needs=("LRU_GEN",),
    lockdown=BY_OPEN,
    since="6.12",  # Linux 6.1 skips a process with less than 64 pages
)
def lru_gen_evict(attacker: Attacker, handler: Handler) -> None:
    """Age and evict all pages of the root cgroup through lru_gen. The handler's are swapped out."""
    SwapDevice(attacker, pages=2048)
    with attacker.setup():
        attacker.write_file(LRU_GEN_ENABLED, b"y")
    for _ in range(ROUNDS):
        drain_batches(attacker)
        evict_all(attacker)
    must_have_memory(attacker, handler)


@scenario(
    effect=Effect.INTEGRITY,
    shows="swapped",
    surface="damon-pageout",
    answers=("T1", "T2", "C3"),
    reach="damon_start",
    target="system",
    needs=("DAMON_SYSFS", "DAMON_VADDR"),
)
def damon_pageout(attacker: Attacker, handler: Handler) -> None:
    """Swap out the handler's memory by DAMON's pageout action, which calls no hook."""
    SwapDevice(attacker, pages=64)
    drain_batches(attacker)
    if not Damon(attacker, handler.pid, "pageout").tried():
        raise NoTarget(NO_MEMORY)


@scenario(
    effect=Effect.INTEGRITY,
    shows="swapped",
    surface="mlock-window",
    answers=("T2", "C3"),
    reach="lru_gen_seq_write",
    target="start",
    cpus=2,
    needs=("LRU_GEN",),
    not_applicable=NO_BLOB,
    lockdown=BY_OPEN,
)
def swap_at_start(attacker: Attacker, handler: Handler) -> None:
    """Swap out the next handler's memory between its exec and the moment it is locked.

    Exec has already put the handler's stack on the LRU lists. So the attack need not drain a batch
    on the CPU where a BPF program delays the handler.
    """
    SwapDevice(attacker, pages=2048)
    with attacker.setup():
        attacker.write_file(LRU_GEN_ENABLED, b"y")
    BpfObject(attacker, "dawdle_unlocked")

    def evict() -> None:
        for _ in range(8):  # Linux 6.1 ages a small process only when it evicts
            evict_all(attacker)

    handler.restart(meanwhile=evict)


@scenario(
    effect=Effect.CONFIDENTIALITY,
    also=(Effect.INTEGRITY,),
    shows="swapped",
    surface="swap-tamper-anon",
    answers=("T2", "T8", "C3"),
    reach="swap_writepage",
    target="system",
    tries=FILE_TRIES,
    on_disk=True,
    seconds=120,
)
def swap_file_read(attacker: Attacker, handler: Handler) -> None:
    """Swap memory out to a file on the disk and read the handler's secret there.

    The attacker locks the rest of memory, so that memory runs short. This takes no device: no hook
    tells a swap file from another file, and root may read it like any other.
    """
    swap = SwapFile(attacker, pages=FILE_PAGES)
    places = in_page(handler, "request", "chain", "secret")
    ran_short = False
    for _ in range(FILE_TRIES):
        found = swap.secret(*places)
        won = len(found) == SECRET_SIZE
        attacker.tried(won=won)
        if won:
            attacker.show(found)
            return
        ran_short |= bool(found)
    if not ran_short:
        raise TimeoutError("memory never ran short: no page in use was swapped out")
