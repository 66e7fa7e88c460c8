# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on memory by what the kernel does with it: reclaims, moves and watches it."""

from __future__ import annotations

import struct
import time
from errno import EINVAL
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import NoTarget
from harness.attacker.tools.cgroup import root
from harness.attacker.tools.damon import Damon
from harness.attacker.tools.frames import KPF_ANON, frames_with, idle_frames, mark_idle
from harness.attacker.tools.pagemap import PAGE
from harness.attacker.tools.snapshot import SnapshotDevice
from harness.model.verdict import Effect, Verdict
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
"""Half of the address space: stacks lie above, programs below."""
SECONDS = 3.0
FEW = 1 / 128
"""Of all frames, our own among them."""
ROUNDS = 16
"""How often to have them marked: where others run as well, not the same frames are in use."""


def must_have_memory(attacker: Attacker, handler: Handler) -> None:
    """Raise NoTarget for a handler that is no process."""
    if b"VmRSS" not in attacker.read_file(f"/proc/{handler.pid}/status"):
        raise NoTarget(NO_MEMORY)


@scenario(
    effect=Effect.STEP,
    surface="damon-access-trace",
    answers=("T4", "L5"),
    reach="damon_start",
    target="system",
    needs=("DAMON_SYSFS", "DAMON_VADDR"),
    since="6.2",
    debugging=True,
)
def damon_access_trace(attacker: Attacker, handler: Handler) -> None:
    """Have DAMON tell which part of the handler's memory is in use."""
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
    """Clear the accessed bits of the handler's memory, by which the kernel knows it is in use."""
    must_have_memory(attacker, handler)
    with SnapshotDevice(attacker) as snapshot, snapshot.frozen():  # or it sets them again
        was_accessed = handler.is_accessed("chain")
        for _ in range(LOOKS):  # one that is not frozen may be quicker
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
    """Have the handler's huge pages split: it is too small to have any."""
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
    holes=on_kthread(Verdict.TAMPERED, "it can be confined to a node as well"),
)
def cpuset_mems(attacker: Attacker, handler: Handler) -> None:
    """Confine the handler to one memory node, and have its pages moved there."""
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
    """Find the page frames of the handler's memory: among the few that are in use for a moment."""
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
    effect=Effect.NONE,
    surface="ksm-userfaultfd-zram-own-mm",
    answers=("T1", "L5"),
    reach="ksm_madvise",
    target="system",
    needs=("KSM",),
)
def ksm_merge(attacker: Attacker, handler: Handler) -> None:
    """Have pages of ours merged with all that are alike: only those that were offered are."""
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
            raise TimeoutError("KSM never looked at all that it was offered")


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
    """Ask to handle the page faults at the handler's addresses: at our own, that is."""
    with attacker.setup():
        uffd = attacker.syscall("userfaultfd", 0)
        attacker.syscall("ioctl", uffd, UFFDIO_API, bytearray(struct.pack("<3Q", UFFD_API, 0, 0)))
    state = handler.symbol("chain") & -PAGE
    wanted = struct.pack("<4Q", state, PAGE, UFFDIO_REGISTER_MODE_MISSING, 0)
    attacker.syscall("ioctl", uffd, UFFDIO_REGISTER, bytearray(wanted))
