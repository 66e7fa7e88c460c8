# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by when, and where, the handler gets to run."""

from __future__ import annotations

from errno import EPERM
from os import SCHED_IDLE
from typing import TYPE_CHECKING

from harness.scenarios.holes import on_kthread
from harness.scenarios.registry import scenario
from harness.witness.verdict import Effect, Verdict

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.handler import Handler

SCHEDULED_ALIKE = on_kthread(Verdict.TAMPERED, "it is scheduled like any process, at root's will")


@scenario(
    effect=Effect.INTEGRITY,
    shows="policy",
    surface="sched-setscheduler-attr-param",
    answers=("L6", "R16"),
    call="sched_setscheduler",
    refused=(EPERM,),
    reach="security_task_setscheduler",
    holes=SCHEDULED_ALIKE,
)
def sched_idle(attacker: Attacker, handler: Handler) -> None:
    """Let the handler run only when nothing else wants to."""
    attacker.sched_setscheduler(handler.pid, SCHED_IDLE, 0)
    handler.wait_for_request()


@scenario(
    effect=Effect.INTEGRITY,
    shows="policy",
    surface="sched-setaffinity",
    answers=("L6", "R16"),
    call="sched_setaffinity",
    refused=(EPERM,),
    reach="security_task_setscheduler",
    holes=SCHEDULED_ALIKE,
)
def sched_affinity(attacker: Attacker, handler: Handler) -> None:
    """Have the handler run on the CPUs that root says, and on no other."""
    attacker.sched_setaffinity(handler.pid, {0})
    handler.wait_for_request()
