# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by the OOM killer and by resource limits of the handler."""

from __future__ import annotations

from contextlib import suppress
from errno import EPERM
from resource import RLIMIT_CPU
from signal import SIGKILL
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import on_both, on_kthread
from harness.scenarios.registry import scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

OOM_SCORE = on_both(
    Verdict.TAMPERED,
    "root may set the score, though the OOM killer spares the handler",
    partly=True,
)


def spare_attacker(attacker: Attacker) -> None:
    """Exempt the agent and its children from the OOM killer. This is set-up."""
    with attacker.setup():
        attacker.write_file("/proc/self/oom_score_adj", b"-1000")


def spare_all_but(attacker: Attacker, handler: Handler) -> None:
    """Exempt all visible processes but the handler from the OOM killer. This is set-up."""
    with attacker.setup():
        for name in attacker.listdir("/proc"):
            if name.isdecimal() and int(name) != handler.pid:
                with suppress(GuestError):  # the process has ended, or a policy refuses the write
                    # Not the kernel's threads, which have no memory: the next handler inherits it.
                    if b"VmRSS:" in attacker.read_file(f"/proc/{name}/status"):
                        attacker.write_file(f"/proc/{name}/oom_score_adj", b"-1000")


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
    """Set oom_score_adj 1000 on the handler and run the OOM killer by sysrq-f."""
    spare_attacker(attacker)
    attacker.write_file(f"/proc/{handler.pid}/oom_score_adj", b"1000")
    handler.wait_for_request()
    attacker.write_file("/proc/sysrq-trigger", b"f")
    handler.wait_for_request()  # a worker runs the OOM killer


@scenario(
    effect=Effect.AVAILABILITY,
    surface="oom-score-adj-sysrq-f",
    answers=("T15", "C10"),
    reach="sysrq_handle_moom",
    target="system",
)
def sysrq_oom(attacker: Attacker, handler: Handler) -> None:
    """Run the OOM killer by sysrq-f after all processes but the handler got oom_score_adj -1000."""
    spare_all_but(attacker, handler)
    attacker.write_file("/proc/sysrq-trigger", b"f")
    handler.wait_for_request()


@scenario(
    effect=Effect.AVAILABILITY,
    surface="global-oom",
    answers=("T15", "C10"),
    reach="out_of_memory",
    target="system",
)
def global_oom(attacker: Attacker, handler: Handler) -> None:
    """Use up all memory with oom_score_adj -1000, so that the OOM killer takes other processes."""
    spare_attacker(attacker)
    filler = attacker.spawn(attacker.payload("fill_memory"))
    handler.wait_for_arrival()
    attacker.kill(filler, SIGKILL)
    attacker.waitpid(filler)
    handler.wait_for_request()


@scenario(
    effect=Effect.AVAILABILITY,
    surface="global-oom",
    answers=("T15", "R16"),
    ends_machine=True,
    reach="out_of_memory",
    target="system",
    holes=on_both(Verdict.DISRUPTED, "root may choose by a sysctl that the machine panics"),
)
def panic_on_oom(attacker: Attacker, handler: Handler) -> None:
    """Set vm.panic_on_oom and use up all memory. The kernel panics."""
    attacker.write_file("/proc/sys/vm/panic_on_oom", b"1")
    attacker.waitpid(attacker.spawn(attacker.payload("fill_memory")))


@scenario(
    effect=Effect.INTEGRITY,
    shows="limits",
    surface="rlimit-cpu-kill",
    answers=("C10", "L6"),
    call="prlimit64",
    refused=(EPERM,),
    reach="security_task_setrlimit",
    holes=on_kthread(
        Verdict.TAMPERED, "a kernel thread's limits can be set as well, though they do not bind it"
    ),
)
def prlimit_cpu(attacker: Attacker, handler: Handler) -> None:
    """Set RLIMIT_CPU of 1 s on the handler with prlimit(2). Then the kernel kills it."""
    attacker.prlimit(handler.pid, RLIMIT_CPU, (1, 1))
    handler.wait_for_request()
