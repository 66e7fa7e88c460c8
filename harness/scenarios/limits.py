# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by what the kernel lets a process have: cgroups, the OOM killer, resource limits."""

from __future__ import annotations

from errno import EPERM
from functools import partial
from resource import RLIMIT_CPU
from typing import TYPE_CHECKING

from harness.scenarios.holes import on_isolated, on_kthread
from harness.scenarios.registry import scenario
from harness.witness.verdict import Effect, Verdict

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.handler import Handler

CGROUPS = "/sys/fs/cgroup"
CELL = f"{CGROUPS}/cell"

NO_HOOK = "no hook is asked about the task: cgroup v2 asks who may write its files"
MOVED = on_isolated(Verdict.TAMPERED, NO_HOOK) | on_kthread(
    Verdict.TAMPERED,
    "it can be moved as well, though what the cgroup then does passes it by",
    partly=True,
)
SPARED = MOVED | on_isolated(
    Verdict.TAMPERED, f"it can be moved ({NO_HOOK}), though the OOM killer spares it", partly=True
)
OOM_SCORE = on_isolated(
    Verdict.TAMPERED, "no hook is asked about the task: raising the score takes the file's mode"
) | on_kthread(
    Verdict.TAMPERED, "it has a score as well, though the OOM killer passes it by", partly=True
)


_by_cgroup = partial(
    scenario,
    effect=Effect.AVAILABILITY,
    also=(Effect.INTEGRITY,),
    shows="cgroup",
    reach="cgroup_attach_task",
)


def move_into_cell(attacker: Attacker, handler: Handler) -> None:
    """Move the handler into a cgroup of ours; it has served there when this returns."""
    with attacker.setup():
        attacker.mkdir(CELL)
    attacker.write_file(f"{CELL}/cgroup.procs", str(handler.pid).encode())
    handler.wait_for_request()


@_by_cgroup(
    surface="cgroup-freeze",
    answers=("L5", "T4"),
    holes=MOVED,
)
def cgroup_freeze(attacker: Attacker, handler: Handler) -> None:
    """Move the handler into a cgroup and freeze it."""
    move_into_cell(attacker, handler)
    attacker.write_file(f"{CELL}/cgroup.freeze", b"1")


@_by_cgroup(
    surface="cgroup-kill",
    answers=("L5", "C10"),
    holes=MOVED,
)
def cgroup_kill(attacker: Attacker, handler: Handler) -> None:
    """Move the handler into a cgroup and kill all that is in there."""
    move_into_cell(attacker, handler)
    attacker.write_file(f"{CELL}/cgroup.kill", b"1")


@_by_cgroup(
    surface="memcg-max-oom",
    answers=("L5", "C10"),
    holes=SPARED,
)
def memcg_max_oom(attacker: Attacker, handler: Handler) -> None:
    """Move the handler into a cgroup that has used more memory than it then may.

    The memory is a file without a disk, so that nothing can be reclaimed and the handler, alone
    in there, is who the OOM killer can take.
    """
    with attacker.setup():
        attacker.write_file(f"{CGROUPS}/cgroup.subtree_control", b"+memory")
    move_into_cell(attacker, handler)
    with attacker.setup():
        attacker.write_file(f"{CELL}/cgroup.procs", b"0")
        file = attacker.syscall("memfd_create", "unreclaimable", 0)
        attacker.write(file, bytes(65536))
        attacker.write_file(f"{CGROUPS}/cgroup.procs", b"0")
    attacker.write_file(f"{CELL}/memory.max", b"0")


@scenario(
    effect=Effect.AVAILABILITY,
    also=(Effect.INTEGRITY,),
    shows="oom score",
    surface="oom-score-adj-sysrq-f",
    answers=("L5", "C10"),
    reach="get_pid_task",
    holes=OOM_SCORE,
)
def oom_score_adj_sysrq(attacker: Attacker, handler: Handler) -> None:
    """Make the handler the first to go when memory is short, and say that memory is short."""
    with attacker.setup():
        attacker.write_file("/proc/self/oom_score_adj", b"-1000")
    attacker.write_file(f"/proc/{handler.pid}/oom_score_adj", b"1000")
    handler.wait_for_request()
    attacker.write_file("/proc/sysrq-trigger", b"f")


@scenario(
    effect=Effect.INTEGRITY,
    shows="limits",
    surface="rlimit-cpu-kill",
    answers=("C10", "L6"),
    call="prlimit64",
    refused=(EPERM,),
    reach="security_task_setrlimit",
    holes=on_kthread(Verdict.TAMPERED, "its limits can be set as well, though they do not bind it"),
)
def prlimit_cpu(attacker: Attacker, handler: Handler) -> None:
    """Give the handler a second of CPU time to live."""
    attacker.prlimit(handler.pid, RLIMIT_CPU, (1, 1))
    handler.wait_for_request()
