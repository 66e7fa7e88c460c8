# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on the node of the handler's memory and on its core, which ptrace's check guards."""

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
"""The number of bits in the mask, as the system calls take it: one more than they look at."""

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
    # Not ptrace's hook: where that allows debugging, task_movememory still refuses.
    reach="ptrace_may_access",
)

MOVED = "its state on another node"


@_move(
    surface="move-pages-migrate-pages",
    call="move_pages",
)
def move_pages(attacker: Attacker, handler: Handler) -> None:
    """Move the page with the handler's state to another NUMA node by move_pages(2)."""
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
    """Move the handler's pages to another NUMA node by migrate_pages(2)."""
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
    since="6.12",  # Linux 6.1 sees no SMT threads on QEMU's CPUs
    cpus=2,
    holes=on_kthread(Verdict.TAMPERED, "root may give a kernel thread a cookie as well"),
)
def core_sched_cookie(attacker: Attacker, handler: Handler) -> None:
    """Set the attacker's core scheduling cookie on the handler by prctl(2), to share its core."""
    with attacker.setup():
        attacker.prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, ONE_THREAD)
    attacker.prctl(PR_SCHED_CORE, PR_SCHED_CORE_SHARE_TO, handler.pid, ALL_THREADS)
    handler.wait_for_request()
