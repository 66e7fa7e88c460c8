# SPDX-License-Identifier: GPL-2.0-only
"""Where the handler's memory lies and what runs beside it: root's to say, if ptrace agrees."""

from __future__ import annotations

import struct
from errno import EINVAL, EPERM
from functools import partial
from typing import TYPE_CHECKING

from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import on_kthread
from harness.scenarios.registry import scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

MPOL_MF_MOVE_ALL = 4
NODES = struct.Struct("<Q")
"""A mask of memory nodes."""
NODES_BITS = 65
"""How many nodes that has, as the system calls count: the last one is not looked at."""

PR_SCHED_CORE = 62
PR_SCHED_CORE_CREATE, PR_SCHED_CORE_SHARE_TO = 1, 2
ONE_THREAD, ALL_THREADS = 0, 1

_move = partial(
    scenario,
    effect=Effect.STEP,
    answers=("C2", "R16"),
    refused=(EPERM,),
    no_target=(EINVAL,),
    no_target_at="security_task_movememory",
    # Not ptrace's hook: where that lets everybody in, the one for moving memory does not.
    reach="ptrace_may_access",
)

MOVED = "its state on another node"


@_move(
    surface="move-pages-migrate-pages",
    call="move_pages",
)
def move_pages(attacker: Attacker, handler: Handler) -> None:
    """Move the page with the handler's state to another memory node."""
    target = 1 - handler.node("chain")
    page, node, status = (
        struct.pack("<Q", handler.symbol("chain")),
        struct.pack("<i", target),
        bytearray(4),
    )
    attacker.syscall("move_pages", handler.pid, 1, page, node, status, MPOL_MF_MOVE_ALL)
    attacker.gain(MOVED, target, truth=handler.node("chain"))


@_move(
    surface="move-pages-migrate-pages",
    call="migrate_pages",
)
def migrate_pages(attacker: Attacker, handler: Handler) -> None:
    """Move all that the handler has on one memory node to another."""
    source = handler.node("chain")
    old, new = (NODES.pack(1 << node) for node in (source, 1 - source))
    attacker.syscall("migrate_pages", handler.pid, NODES_BITS, old, new)
    attacker.gain(MOVED, 1 - source, truth=handler.node("chain"))


@scenario(
    effect=Effect.INTEGRITY,
    shows="policy",
    surface="core-sched-cookie",
    answers=("L6", "C2"),
    call="prctl",
    refused=(EPERM,),
    reach="security_ptrace_access_check",
    needs=("SCHED_CORE",),
    since="6.12",  # to 6.1, QEMU's processors have no threads
    cpus=2,
    holes=on_kthread(Verdict.TAMPERED, "a cookie is given to threads as to processes"),
)
def core_sched_cookie(attacker: Attacker, handler: Handler) -> None:
    """Give the handler a cookie of ours: while it runs, its core's other thread runs only us."""
    with attacker.setup():
        attacker.prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, ONE_THREAD)
    attacker.prctl(PR_SCHED_CORE, PR_SCHED_CORE_SHARE_TO, handler.pid, ALL_THREADS)
    handler.wait_for_request()
