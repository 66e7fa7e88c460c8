# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on the handler's life: signals, and the cgroup that holds it."""

from __future__ import annotations

from errno import EPERM
from signal import SIGKILL, SIGSTOP
from typing import TYPE_CHECKING

from harness.scenarios.registry import Hole, scenario
from harness.witness.verdict import Effect, Verdict

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.handler import Handler


@scenario(
    effect=Effect.AVAILABILITY,
    surface="kill-family",
    answers=("C10", "L6"),
    call="kill",
    refused=(EPERM,),
    reach="security_task_kill",
    holes={
        "isolated": Hole(
            Verdict.DISRUPTED, "the first cut has no task_kill hook: it denies ptrace access only"
        )
    },
)
def kill_family(attacker: Attacker, handler: Handler) -> None:
    """Kill the handler, then stop the one that replaces it."""
    attacker.kill(handler.pid, SIGKILL)
    handler.wait_for_request()
    attacker.kill(handler.pid, SIGSTOP)


@scenario(
    effect=Effect.AVAILABILITY,
    surface="cgroup-freeze",
    answers=("L5", "T4"),
    reach="cgroup_attach_task",
    holes={
        "isolated": Hole(
            Verdict.DISRUPTED, "no hook sees it: cgroup v2 asks the mode of its files, never an LSM"
        )
    },
)
def cgroup_freeze(attacker: Attacker, handler: Handler) -> None:
    """Move the handler into a cgroup and freeze it."""
    with attacker.setup():
        attacker.mkdir("/sys/fs/cgroup/cell")
    attacker.write_file("/sys/fs/cgroup/cell/cgroup.procs", str(handler.pid).encode())
    attacker.write_file("/sys/fs/cgroup/cell/cgroup.freeze", b"1")
