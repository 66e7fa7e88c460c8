# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by cgroups: by what one may have, do or run on, and by which it is stopped or ended."""

from __future__ import annotations

from errno import EINVAL, EPERM
from functools import partial
from os import WNOHANG
from signal import SIGKILL
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import NoTarget
from harness.attacker.tools.bpf import BpfObject
from harness.attacker.tools.cgroup import Cgroup, old_root, root
from harness.model.variants import VARIANTS
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import NO_BLOB, on_isolated, on_kthread
from harness.scenarios.registry import scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

MOVED = on_kthread(
    Verdict.TAMPERED,
    "it can be moved as well, though what the cgroup then does passes it by",
    partly=True,
)
SCHEDULED_ALIKE = on_kthread(
    Verdict.TAMPERED, "it can be moved as well, and is scheduled like any process"
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
    """Move the handler into a cgroup; it has served there when this returns."""
    group.add(handler.pid)
    handler.wait_for_request()


@_by_cgroup(
    surface="cgroup-freeze",
    answers=("L5", "T4"),
    holes=MOVED,
)
def cgroup_freeze(attacker: Attacker, handler: Handler) -> None:
    """Move the handler into a cgroup and freeze it."""
    cell = root(attacker).child("cell")
    move_into(cell, handler)
    cell.set("cgroup.freeze", "1")


@_by_cgroup(
    surface="cgroup-v1-freezer",
    answers=("L5", "T4"),
    holes=MOVED,
)
def cgroup_v1_freezer(attacker: Attacker, handler: Handler) -> None:
    """Freeze the handler by an old cgroup, where not even SIGKILL ends it any more."""
    cell = old_root(attacker, "freezer").child("cell")
    move_into(cell, handler)
    cell.set("freezer.state", "FROZEN")


@_by_cgroup(
    surface="cgroup-kill",
    answers=("L5", "C10"),
    holes=MOVED,
)
def cgroup_kill(attacker: Attacker, handler: Handler) -> None:
    """Move the handler into a cgroup and kill all that is in there."""
    cell = root(attacker).child("cell")
    move_into(cell, handler)
    cell.set("cgroup.kill", "1")


@_by_cgroup(
    surface="memcg-max-oom",
    answers=("L5", "C10"),
    holes=MOVED,
)
def memcg_max_oom(attacker: Attacker, handler: Handler) -> None:
    """Move the handler into a cgroup that has used more memory than it then may.

    The memory is a file without a disk, so that nothing can be reclaimed and the handler, alone
    in there, is who the OOM killer can take.
    """
    cell = root(attacker).child("cell", "memory")
    move_into(cell, handler)
    with attacker.setup():
        cell.add(0)
        file = attacker.syscall("memfd_create", "unreclaimable", 0)
        attacker.write(file, bytes(65536))
        root(attacker).add(0)
    cell.set("memory.max", "0")


STARTS = 20
"""How many to try to catch: most are caught at once."""

MS_REMOUNT = 32

LOCK_BY_PROCESS = (6, 18)
"""Since then favordynmods has a process moved that its fork has not yet put into any cgroup, and
the kernel complains of itself (WARN_ON_ONCE() in cgroup_migrate_add_task())."""


@_by_cgroup(
    surface="memcg-high-throttle",
    answers=("L5", "T4"),
    target="start",
    not_applicable=dict.fromkeys(
        NO_BLOB, "a kernel thread has no memory that is charged to a cgroup"
    ),
)
def memcg_high(attacker: Attacker, handler: Handler) -> None:
    """Move the next handler, before it has memory, into a cgroup that may have next to none.

    What it takes to be executed is then charged there, and two seconds of sleep are the penalty.
    (The handler that runs already takes no more memory: this would not slow it.)
    """
    cell = root(attacker).child("cell", "memory")
    with attacker.setup():
        if attacker.release() < LOCK_BY_PROCESS:
            # Or whoever moves a process has to wait for all CPUs each time.
            attacker.mount("none", root(attacker).path, "cgroup2", MS_REMOUNT, "favordynmods")
    cell.set("memory.high", "0")
    BpfObject(attacker, "dawdle")
    join = attacker.spawn(attacker.payload("join_at_start"), f"{cell.path}/cgroup.procs")
    for _ in range(STARTS):
        handler.restart()
        caught, status = attacker.waitpid(join, WNOHANG)
        if caught:
            break
    else:
        attacker.kill(join, SIGKILL)
        raise NoTarget("no process was caught before it was executed")
    if status:
        raise RuntimeError("the payload could not look out for a start")
    handler.wait_for_request()


def burn_in(group: Cgroup, attacker: Attacker, count: int = 1) -> None:
    """Start processes in a cgroup that use all the CPU time they get there, as set-up."""
    burn = attacker.payload("burn")
    with attacker.setup():
        for _ in range(count):
            group.add(attacker.spawn(burn))


BURNERS = 8
"""So many that at a turn a second each, the handler's comes too late."""


@_by_cgroup(
    surface="cpu-max-cpu-idle-weight",
    answers=("L5", "L6"),
    holes=on_kthread(
        Verdict.TAMPERED,
        "it is moved as well, though since Linux 6.18 it runs on: it never returns to user space",
        partly=True,
    ),
)
def cgroup_cpu_max(attacker: Attacker, handler: Handler) -> None:
    """Give the handler a share in a millisecond of CPU time each second, with a few who burn it."""
    cell = root(attacker).child("cell", "cpu")
    move_into(cell, handler)
    burn_in(cell, attacker, BURNERS)
    cell.set("cpu.max", "1000 1000000")
    handler.wait_for_silence()
    cell.set("cpu.max", "max")


def starve(attacker: Attacker, handler: Handler, knob: str, value: str) -> None:
    """Set something of the handler's cgroup by which it does not run while another one burns.

    Both are in a cgroup of their own, so that all others get their time. At last it is let go:
    a reply that comes late proves as much as one that does not come.
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
    """Give the handler a ten-thousandth of the CPU time that another gets."""
    starve(attacker, handler, "cpu.weight", "1")


@_by_cgroup(
    surface="cpu-max-cpu-idle-weight",
    answers=("L5", "L6"),
    holes=SCHEDULED_ALIKE,
)
def cgroup_cpu_idle(attacker: Attacker, handler: Handler) -> None:
    """Let the handler run when nobody else wants to, and somebody always does."""
    starve(attacker, handler, "cpu.idle", "1")


_by_cpuset = partial(
    scenario,
    effect=Effect.INTEGRITY,
    shows="policy",
    answers=("L5", "L6"),
    cpus=2,
)
NARROWED = on_kthread(
    Verdict.TAMPERED, "unless it is bound to a CPU, its cgroup's CPUs are its own"
)


@_by_cpuset(
    surface="cpuset-attach",
    call="write",
    refused=(EINVAL, EPERM),
    reach="cgroup_procs_write_start",
    target="system",
    holes=on_kthread(Verdict.TAMPERED, "it can be moved to other CPUs as well"),
)
def cpuset_attach(attacker: Attacker, handler: Handler) -> None:
    """Move the handler into a cgroup that has one of the CPUs."""
    cell = root(attacker).child("cell", "cpuset")
    with attacker.setup():
        cell.set("cpuset.cpus", "1")  # 6.1 starts a process on the first
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
    """Move the handler into a cgroup that has all CPUs, then take one away."""
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
        "a hook is asked when a task is moved to other CPUs, not when they are taken from it",
    ),
)
def cpuset_partition(attacker: Attacker, handler: Handler) -> None:
    """Take one of two CPUs from the root cgroup, where the handler is, for a partition of ours."""
    cell = root(attacker).child("cell", "cpuset")
    with attacker.setup():
        cell.set("cpuset.cpus", "0")  # 6.1 starts a process on this one
    cell.set("cpuset.cpus.partition", "isolated")
    handler.wait_for_request()


@scenario(
    effect=Effect.NONE,
    surface="pids-max",
    answers=("L5",),
    reach="pids_max_write",
    target="system",
)
def pids_max(attacker: Attacker, handler: Handler) -> None:
    """Let nobody start a process in a cgroup: the handler starts none, and is started elsewhere."""
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
        VARIANTS, "QEMU's CPUs share out no caches (RDT), so the kernel has no resctrl"
    ),
)
def resctrl_group(attacker: Attacker, handler: Handler) -> None:
    """Give the handler as little of the caches as there can be."""
    resctrl = "/sys/fs/resctrl"
    with attacker.setup():
        attacker.mount("none", resctrl, "resctrl")
        attacker.mkdir(f"{resctrl}/cell")
        attacker.write_file(f"{resctrl}/cell/schemata", b"L3:0=1\n")
    attacker.write_file(f"{resctrl}/cell/tasks", str(handler.pid).encode())
