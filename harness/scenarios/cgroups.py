# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by cgroups: their limits on memory, CPU time and CPUs, their freezers and cgroup.kill."""

from __future__ import annotations

from errno import EACCES, EINVAL, EPERM
from functools import partial
from os import O_WRONLY, WNOHANG
from signal import SIGKILL
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import NoTarget
from harness.attacker.tools.bpf import BpfObject
from harness.attacker.tools.cgroup import Cgroup, old_root, root
from harness.attacker.tools.fuse import SilentFile
from harness.attacker.tools.pagemap import PAGE
from harness.attacker.tools.processes import state_at_rest
from harness.attacker.tools.starts import catch_start
from harness.model.variants import VARIANTS
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import NO_BLOB, on_isolated, on_kthread
from harness.scenarios.registry import scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

MOVED = on_kthread(
    Verdict.TAMPERED,
    "a kernel thread can be moved as well, though the cgroup's freezer and limits do not bind it",
    partly=True,
)
SCHEDULED_ALIKE = on_kthread(
    Verdict.TAMPERED, "a kernel thread can be moved as well, and gets its cgroup's CPU time"
)

_by_cgroup = partial(
    scenario,
    effect=Effect.AVAILABILITY,
    also=(Effect.INTEGRITY,),
    shows="cgroup",
    call="write",
    refused=(EINVAL,),
    reach="cgroup_procs_write_start",
    target="system",
)


def move_into(group: Cgroup, handler: Handler) -> None:
    """Move the handler into a cgroup and wait until it has served there."""
    group.add(handler.pid)
    handler.wait_for_request()


@_by_cgroup(
    surface="cgroup-freeze",
    answers=("L5", "T4"),
    holes=MOVED,
)
def cgroup_freeze(attacker: Attacker, handler: Handler) -> None:
    """Move the handler into a cgroup and freeze it by cgroup.freeze. It stops answering."""
    cell = root(attacker).child("cell")
    move_into(cell, handler)
    cell.set("cgroup.freeze", "1")


@_by_cgroup(
    surface="cgroup-v1-freezer",
    answers=("L5", "T4"),
    holes=MOVED,
)
def cgroup_v1_freezer(attacker: Attacker, handler: Handler) -> None:
    """Freeze the handler by the freezer of cgroup v1. Even SIGKILL does not end it then."""
    cell = old_root(attacker, "freezer").child("cell")
    move_into(cell, handler)
    cell.set("freezer.state", "FROZEN")


@_by_cgroup(
    surface="cgroup-kill",
    answers=("L5", "C10"),
    holes=MOVED,
)
def cgroup_kill(attacker: Attacker, handler: Handler) -> None:
    """Move the handler into a cgroup and write to cgroup.kill. The handler is killed."""
    cell = root(attacker).child("cell")
    move_into(cell, handler)
    cell.set("cgroup.kill", "1")


@_by_cgroup(
    surface="memcg-max-oom",
    answers=("L5", "C10"),
    holes=MOVED,
)
def memcg_max_oom(attacker: Attacker, handler: Handler) -> None:
    """Move the handler into a cgroup and set memory.max below its usage. The handler is OOM-killed.

    The usage is a memfd. Its pages cannot be reclaimed, and the handler is the only task in the
    cgroup, so the OOM killer takes the handler.
    """
    cell = root(attacker).child("cell", "memory")
    move_into(cell, handler)
    with attacker.setup():
        cell.add(0)
        file = attacker.syscall("memfd_create", "unreclaimable", 0)
        attacker.write(file, bytes(65536))
        root(attacker).add(0)
    cell.set("memory.max", "0")


MS_REMOUNT = 32

LOCK_BY_PROCESS = (6, 18)
"""Since this release, favordynmods lets a process move before its fork has put it into a cgroup.

The kernel then warns (WARN_ON_ONCE() in cgroup_migrate_add_task())."""


@_by_cgroup(
    surface="memcg-high-throttle",
    answers=("L5", "T4"),
    target="start",
    not_applicable=dict.fromkeys(
        NO_BLOB, "a kernel thread has no memory that is charged to a cgroup"
    ),
)
def memcg_high(attacker: Attacker, handler: Handler) -> None:
    """Move the next handler, before its exec, into a cgroup with memory.high 0. It is throttled.

    The memory that exec takes is charged to the cgroup, and the penalty is two seconds of sleep. A
    handler that runs already allocates no more memory, so memory.high would not slow it.
    """
    cell = root(attacker).child("cell", "memory")
    with attacker.setup():
        if attacker.release() < LOCK_BY_PROCESS:
            # Without it, each move of a process waits for all CPUs.
            attacker.mount("none", root(attacker).path, "cgroup2", MS_REMOUNT, "favordynmods")
    cell.set("memory.high", "0")
    BpfObject(attacker, "dawdle")
    join = attacker.spawn(attacker.payload("join_at_start"), f"{cell.path}/cgroup.procs")

    def joined() -> int | None:
        """Return the wait status of the payload, or None while the payload waits for a start."""
        ended, status = attacker.waitpid(join, WNOHANG)
        return status if ended else None

    try:
        status = catch_start(attacker, handler.restart, joined, is_counted=False)
    except NoTarget:
        attacker.kill(join, SIGKILL)
        raise
    if status:
        raise RuntimeError("the payload join_at_start could not watch for a start")
    handler.wait_for_request()


def burn_in(group: Cgroup, attacker: Attacker, count: int = 1) -> None:
    """Start processes in a cgroup that use all the CPU time they get. This is set-up."""
    burn = attacker.payload("burn")
    with attacker.setup():
        for _ in range(count):
            group.add(attacker.spawn(burn))


BURNERS = 8
"""The handler's turn comes too late when this many processes take a turn of one second each."""


@_by_cgroup(
    surface="cpu-max-cpu-idle-weight",
    answers=("L5", "L6"),
    holes=on_kthread(
        Verdict.TAMPERED,
        "a kernel thread can be moved as well, but is not throttled since Linux 6.18",
        partly=True,
    ),
)
def cgroup_cpu_max(attacker: Attacker, handler: Handler) -> None:
    """Move the handler into a busy cgroup and set cpu.max to 1 ms a second. The handler starves."""
    cell = root(attacker).child("cell", "cpu")
    move_into(cell, handler)
    burn_in(cell, attacker, BURNERS)
    cell.set("cpu.max", "1000 1000000")
    handler.wait_for_silence()
    cell.set("cpu.max", "max")


def starve(attacker: Attacker, handler: Handler, knob: str, value: str) -> None:
    """Set a file of the handler's cgroup so that the handler starves beside a busy cgroup.

    Both cgroups are in one of their own, so that all other processes get their CPU time. In the
    end the busy cgroup is killed: a late reply is as good evidence as a missing reply.
    """
    both = root(attacker).child("both", "cpu")
    heavy, light = both.child("heavy", "cpu"), both.child("light")
    with attacker.setup():
        heavy.set("cpu.weight", "10000")
    move_into(light, handler)
    light.set(knob, value)
    burn_in(heavy, attacker)
    handler.wait_for_silence()
    heavy.set("cgroup.kill", "1")


@_by_cgroup(
    surface="cpu-max-cpu-idle-weight",
    answers=("L5", "L6"),
    holes=SCHEDULED_ALIKE,
)
def cgroup_cpu_weight(attacker: Attacker, handler: Handler) -> None:
    """Set cpu.weight 1 on the handler's cgroup, beside a busy cgroup with 10000. It starves."""
    starve(attacker, handler, "cpu.weight", "1")


@_by_cgroup(
    surface="cpu-max-cpu-idle-weight",
    answers=("L5", "L6"),
    holes=SCHEDULED_ALIKE,
)
def cgroup_cpu_idle(attacker: Attacker, handler: Handler) -> None:
    """Set cpu.idle on the handler's cgroup, beside a busy cgroup. The handler starves."""
    starve(attacker, handler, "cpu.idle", "1")


_by_cpuset = partial(
    scenario,
    effect=Effect.INTEGRITY,
    shows="policy",
    answers=("L5", "L6"),
    cpus=2,
)
NARROWED = on_kthread(
    Verdict.TAMPERED, "a kernel thread that is not bound to a CPU gets its cgroup's CPUs"
)


@_by_cpuset(
    surface="cpuset-attach",
    call="write",
    refused=(EINVAL, EPERM),
    reach="cgroup_procs_write_start",
    target="system",
    holes=on_kthread(Verdict.TAMPERED, "a kernel thread can be moved to other CPUs as well"),
)
def cpuset_attach(attacker: Attacker, handler: Handler) -> None:
    """Move the handler into a cgroup whose cpuset.cpus holds one of two CPUs."""
    cell = root(attacker).child("cell", "cpuset")
    with attacker.setup():
        cell.set("cpuset.cpus", "1")  # Linux 6.1 starts a process on CPU 0
    move_into(cell, handler)


@_by_cpuset(
    surface="cpuset-attach",
    call="write",
    refused=(EINVAL,),
    reach="cgroup_procs_write_start",
    target="system",
    holes=NARROWED,
)
def cpuset_narrow(attacker: Attacker, handler: Handler) -> None:
    """Move the handler into a cgroup with all CPUs, then remove one from its cpuset.cpus."""
    cell = root(attacker).child("cell", "cpuset")
    move_into(cell, handler)
    cell.set("cpuset.cpus", "0")
    handler.wait_for_request()


@_by_cpuset(
    surface="cpuset-partition-squeeze",
    reach="set_cpus_allowed_ptr",
    holes=NARROWED
    | on_isolated(
        Verdict.TAMPERED,
        "no hook is called when a cpuset loses a CPU, only when a task moves to another cpuset",
    ),
)
def cpuset_partition(attacker: Attacker, handler: Handler) -> None:
    """Take one of two CPUs from the handler's cgroup, the root, by cpuset.cpus.partition."""
    cell = root(attacker).child("cell", "cpuset")
    with attacker.setup():
        cell.set("cpuset.cpus", "0")  # Linux 6.1 starts a process on this CPU
    cell.set("cpuset.cpus.partition", "isolated")
    handler.wait_for_request()


@scenario(
    effect=Effect.AVAILABILITY,
    surface="threadgroup-rwsem",
    answers=("L5", "L6", "R16"),
    cpus=2,  # the move has to change the process's CPUs
    call="openat",
    refused=(EACCES, EPERM),
    reach="cgroup_procs_write_start",
    target="system",
    needs=("FUSE_FS",),
    holes=on_kthread(
        Verdict.DISRUPTED,
        "the end of the thread takes the lock, and so does the fork of the next",
    ),
)
def threadgroup_rwsem(attacker: Attacker, handler: Handler) -> None:
    """Keep the next handler from starting: hold the lock that each fork and each exit takes.

    The kernel holds the lock while a process moves to another cpuset. The move waits for the
    process's mmap_lock, which a reader of /proc/<pid>/mem holds until a FUSE server answers.
    """
    cell = root(attacker).child("cell", "cpuset")
    with attacker.setup():
        cell.set("cpuset.cpus", "1")
        file = SilentFile(attacker)
        page = f"skip={file.address // PAGE}", f"bs={PAGE}", "count=1"
        memory = f"if=/proc/{file.owner}/mem", "of=/dev/null"
        state_at_rest(attacker, attacker.spawn("/bin/busybox", "dd", *memory, *page))
    with attacker.open(f"{cell.path}/cgroup.procs", O_WRONLY) as procs:
        mover = attacker.spawn("/bin/busybox", "echo", str(file.owner), stdout=procs.fd)
    state_at_rest(attacker, mover)
    handler.restart()
    file.end()


@scenario(
    effect=Effect.NONE,
    surface="pids-max",
    answers=("L5",),
    reach="pids_max_write",
    target="system",
)
def pids_max(attacker: Attacker, handler: Handler) -> None:
    """Set pids.max to 0 in the attacker's cgroup. The next handler starts in another cgroup."""
    cell = root(attacker).child("cell", "pids")
    cell.add(0)
    cell.set("pids.max", "0")
    handler.restart()
    handler.wait_for_request()


@scenario(
    effect=Effect.AVAILABILITY,
    surface="resctrl-group",
    answers=("L5",),
    reach="rdtgroup_tasks_write",
    target="system",
    not_applicable=dict.fromkeys(
        VARIANTS, "QEMU's CPUs have no cache allocation (RDT), so the kernel has no resctrl"
    ),
)
def resctrl_group(attacker: Attacker, handler: Handler) -> None:
    """Move the handler into a resctrl group with the smallest share of the L3 cache."""
    resctrl = "/sys/fs/resctrl"
    with attacker.setup():
        attacker.mount("none", resctrl, "resctrl")
        attacker.mkdir(f"{resctrl}/cell")
        attacker.write_file(f"{resctrl}/cell/schemata", b"L3:0=1\n")
    attacker.write_file(f"{resctrl}/cell/tasks", str(handler.pid).encode())
