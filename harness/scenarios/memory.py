# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by the kernel's memory management, which monitors, migrates, splits and merges pages."""

from __future__ import annotations

import struct
import time
from errno import EINVAL
from functools import partial
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE
from os import O_WRONLY
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import NoTarget
from harness.attacker.tools.cgroup import root
from harness.attacker.tools.damon import Damon
from harness.attacker.tools.frames import IDLE, KPF_ANON, frames_with, idle_frames, mark_idle
from harness.attacker.tools.pagemap import PAGE
from harness.attacker.tools.priority import PERIOD_MAX
from harness.attacker.tools.snapshot import SnapshotDevice
from harness.model.verdict import Effect, Verdict
from harness.scenarios.caller import PAUSE
from harness.scenarios.cgroups import move_into
from harness.scenarios.holes import on_kthread
from harness.scenarios.registry import BY_OPEN, scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

NO_MEMORY = "a kernel thread has no memory of its own"
KSM = "/sys/kernel/mm/ksm"
MADV_MERGEABLE = 12
LOOKS = 50
# include/uapi/linux/userfaultfd.h
UFFDIO_API = 0xC018AA3F
UFFDIO_REGISTER = 0xC020AA00
UFFD_API = 0xAA
UFFDIO_REGISTER_MODE_MISSING = 1

HALF = 1 << 46
"""Half of the address space: stacks lie above it, programs below it."""
SECONDS = 3.0
FEW = 1 / 128
"""The part of all page frames that counts as few. The attacker's own frames are included."""
ROUNDS = 16
"""How often to mark all frames idle. Each round drops frames that other processes used before."""
DROP_CACHES = "/proc/sys/vm/drop_caches"
"""Any write also puts new frames on the LRU lists. DAMON and page_idle/bitmap pass over others."""
ONCE = struct.pack("<IIQiI3Q", 48, 6, 0, 0, 0, 10_000, 100_000_000_000, 100_000_000_000)
"""struct sched_attr: SCHED_DEADLINE, and nanoseconds of runtime, deadline and period."""
WALKERS = 16
"""How many processes to throttle: each is stopped at any place, with a lock or without."""


def must_have_memory(attacker: Attacker, handler: Handler) -> None:
    """Raise NoTarget if the handler is not a process."""
    if b"VmRSS" not in attacker.read_file(f"/proc/{handler.pid}/status"):
        raise NoTarget(NO_MEMORY)


_by_damon = partial(
    scenario,
    effect=Effect.STEP,
    surface="damon-access-trace",
    answers=("T4", "L5"),
    reach="damon_start",
    target="system",
    since="6.2",
)


@_by_damon(needs=("DAMON_SYSFS", "DAMON_VADDR"), debugging=True)
def damon_access_trace(attacker: Attacker, handler: Handler) -> None:
    """Monitor the handler's memory with DAMON. It reports which regions are accessed."""
    damon = Damon(attacker, handler.pid, "stat")
    if not damon.tried():
        raise NoTarget(NO_MEMORY)
    deadline = time.monotonic() + SECONDS
    while not (used := [r.end for r in damon.regions() if r.accesses and r.end > HALF]):
        if time.monotonic() > deadline:
            raise TimeoutError("DAMON never found its stack accessed")
    damon.off()
    top = max(used) - PAGE
    attacker.gain(
        "where its stack lies, and that it is in use", top, truth=handler.maps(top) and top
    )


@_by_damon(needs=("DAMON_SYSFS", "DAMON_PADDR"))
def damon_of_frame(attacker: Attacker, handler: Handler) -> None:
    """Monitor a page frame of the handler with DAMON. It reports when the frame is accessed.

    Another attack gives the frame, such as `page_alloc_events`.
    """
    frame = handler.physical("chain") // PAGE * PAGE
    damon = Damon(attacker, range(frame, frame + PAGE), "stat")
    attacker.write_file(DROP_CACHES, b"1")
    told = cleared = False
    for _ in range(LOOKS):
        handler.wait_for_request()
        told = told or any(region.accesses for region in damon.regions())
        cleared = told and not handler.is_accessed("chain")  # only DAMON clears the bit
        if cleared:
            break
    damon.off()
    if not told:
        raise NoTarget("DAMON never found its frame accessed")
    attacker.gain("when its state is in use", True, truth=cleared)


@scenario(
    effect=Effect.STEP,
    surface="clear-refs",
    answers=("T1", "L5"),
    reach="get_task_mm",
    debugging=True,
    lockdown=BY_OPEN,
    freezes=True,
)
def clear_refs(attacker: Attacker, handler: Handler) -> None:
    """Clear the accessed bits of the handler's page table through /proc/<pid>/clear_refs."""
    must_have_memory(attacker, handler)
    with SnapshotDevice(attacker) as snapshot, snapshot.frozen():  # or the handler sets them again
        was_accessed = handler.is_accessed("chain")
        for _ in range(LOOKS):  # a handler that is spared the freezer may set them again
            attacker.write_file(f"/proc/{handler.pid}/clear_refs", b"1")
            if not handler.is_accessed("chain"):
                break
        else:
            raise NoTarget("its pages stay accessed")
    attacker.gain("its accessed bits", True, truth=was_accessed)


@scenario(
    effect=Effect.NONE,
    surface="split-huge-pages",
    answers=("T1", "L5"),
    call="write",
    no_target=(EINVAL,),
    no_target_at="get_task_mm",
    reach="get_task_mm",
    lockdown=BY_OPEN,
)
def split_huge_pages(attacker: Attacker, handler: Handler) -> None:
    """Split the handler's huge pages through debugfs/split_huge_pages. The handler has none."""
    attacker.write_file(
        "/sys/kernel/debug/split_huge_pages", f"{handler.pid},0x0,0x7fffffffffff".encode()
    )


@scenario(
    effect=Effect.INTEGRITY,
    shows="policy",
    surface="cpuset-mems-memory-migrate",
    answers=("L5", "T1"),
    call="write",
    refused=(EINVAL,),
    reach="cgroup_procs_write_start",
    target="system",
    holes=on_kthread(Verdict.TAMPERED, "a kernel thread can be restricted to a node as well"),
)
def cpuset_mems(attacker: Attacker, handler: Handler) -> None:
    """Move the handler into a cgroup and set cpuset.mems. The kernel migrates its pages."""
    cell = root(attacker).child("cell", "cpuset")
    move_into(cell, handler)
    cell.set("cpuset.mems", "1")
    handler.wait_for_request()


@scenario(
    effect=Effect.STEP,
    surface="page-idle-kpageflags-kpagecgroup",
    answers=("T4", "L5"),
    reach="page_idle_get_folio",
    target="system",
    needs=("IDLE_PAGE_TRACKING",),
)
def page_idle(attacker: Attacker, handler: Handler) -> None:
    """Find the handler's page frames by page_idle/bitmap: few frames are accessed in a moment."""
    state = handler.physical("chain") // PAGE
    used = frames_with(attacker, KPF_ANON)
    for _ in range(ROUNDS):
        few = FEW * mark_idle(attacker)
        handler.wait_for_request()
        used -= idle_frames(attacker)
        if len(used) <= few:
            break
    if state not in used:
        raise NoTarget(f"none of its frames is among the {len(used)} in use")
    attacker.gain("in which few frames its state lies", len(used) <= few, truth=True)


@scenario(
    effect=Effect.AVAILABILITY,
    surface="throttled-rmap-walk",
    answers=("L6", "R16"),
    reach="page_idle_get_folio",
    target="system",
    needs=("IDLE_PAGE_TRACKING",),
)
def page_idle_throttled(attacker: Attacker, handler: Handler) -> None:
    """Throttle processes in page_idle/bitmap. They keep locks that the handler's end needs."""
    names = ["chain"] if handler.is_thread else ["chain", "read"]
    frames = [str(handler.physical(name) // PAGE) for name in names]
    payload = attacker.payload("mark_idle")
    attacker.open(IDLE, O_WRONLY).close()
    attacker.write_file(PERIOD_MAX, b"100000000")
    attacker.write_file(DROP_CACHES, b"1")
    for _ in range(WALKERS):
        with attacker.setup():
            said, writer = attacker.pipe()
            with writer:
                walker = attacker.spawn(payload, *frames, stdout=writer.fd)
            said.read(1)
        attacker.syscall("sched_setattr", walker, ONCE, 0)
        attacker.syscall("nanosleep", PAUSE, 0)
    handler.restart()


@scenario(
    effect=Effect.NONE,
    surface="ksm-userfaultfd-zram-own-mm",
    answers=("T1", "L5"),
    reach="ksm_madvise",
    target="system",
    needs=("KSM",),
)
def ksm_merge(attacker: Attacker, handler: Handler) -> None:
    """Merge equal pages with KSM. It takes pages under MADV_MERGEABLE only, not the handler's."""
    with attacker.setup():
        size = 2 * PAGE
        protection, flags = PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS
        pages = attacker.syscall("mmap", 0, size, protection, flags, -1, 0)
        attacker.write_file(f"{KSM}/sleep_millisecs", b"1")
    attacker.syscall("madvise", pages, size, MADV_MERGEABLE)
    attacker.write_file(f"{KSM}/run", b"1")
    scans = int(attacker.read_file(f"{KSM}/full_scans"))
    deadline = time.monotonic() + SECONDS
    while int(attacker.read_file(f"{KSM}/full_scans")) < scans + 2:
        if time.monotonic() > deadline:
            raise TimeoutError("KSM did not finish two full scans in time")


@scenario(
    effect=Effect.NONE,
    surface="ksm-userfaultfd-zram-own-mm",
    answers=("T1", "L5"),
    call="ioctl",
    refused=(EINVAL,),
    reach="userfaultfd_ioctl",
    target="system",
    needs=("USERFAULTFD",),
)
def userfaultfd_register(attacker: Attacker, handler: Handler) -> None:
    """Register the handler's addresses in userfaultfd(2), which means the attacker's own memory."""
    with attacker.setup():
        uffd = attacker.syscall("userfaultfd", 0)
        attacker.syscall("ioctl", uffd, UFFDIO_API, bytearray(struct.pack("<3Q", UFFD_API, 0, 0)))
    state = handler.symbol("chain") & -PAGE
    wanted = struct.pack("<4Q", state, PAGE, UFFDIO_REGISTER_MODE_MISSING, 0)
    attacker.syscall("ioctl", uffd, UFFDIO_REGISTER, bytearray(wanted))
