# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on what the next handler inherits: the kernel's threads, its parents, are root's to set.

Whatever a fork copies and nothing sets back reaches the handler without anybody having named it:
the hooks that are asked see a worker of the kernel.
"""

from __future__ import annotations

from functools import partial
from os import SCHED_IDLE, SCHED_OTHER
from resource import RLIMIT_CPU
from signal import SIGKILL
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import NoTarget
from harness.attacker.tools.injection import inject
from harness.attacker.tools.kernel_threads import on_forking_threads
from harness.attacker.tools.perf import INHERIT, PERF_SAMPLE_STACK_USER, PerfEvent
from harness.attacker.tools.priority import WORKERS_CPUS, set_deadline
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import on_both, on_debug, on_kthread
from harness.scenarios.placement import (
    ONE_THREAD,
    PR_SCHED_CORE,
    PR_SCHED_CORE_CREATE,
    PR_SCHED_CORE_SHARE_TO,
)
from harness.scenarios.registry import scenario
from harness.scenarios.tracing import NO_PROBES
from harness.witness.latency import SLOW_NS

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

SLACK_NS = 10_000_000_000
IOPRIO_WHO_PROCESS = 1
IOPRIO_IDLE = 3 << 13
MS_BIND = 4096
LOOKS = 5

BURNERS, BURNING_NS = 3, 4_000_000_000
"""So many for so long that a few replies come late, or one far too late."""

KTHREADD = 2
TURNS = 2
LATE_NS = SLOW_NS * 6 // 5
"""Long enough to be a disruption, and not so long that the library gives the handler up."""

DEADLINE_NS, PERIOD_NS = 5_000_000, 100_000_000
"""Of CPU time in each period: little enough for the kernel to admit all its workers."""

CAP_SYS_MODULE = 1 << 16
BSET = "/proc/sys/kernel/usermodehelper/bset"

ALIKE = on_kthread(Verdict.TAMPERED, "kthreadd passes it on to every thread alike")
NOT_SET_BACK = on_kthread(Verdict.TAMPERED, "nothing sets it back after the fork")


_inherits = partial(
    scenario,
    effect=Effect.INTEGRITY,
    target="start",
)


@_inherits(
    shows="limits",
    surface="rlimit-inherit",
    answers=("C10", "L6"),
    reach="security_task_setrlimit",
    holes=on_kthread(Verdict.TAMPERED, "it inherits as well, though limits do not bind it"),
)
def rlimit_inherit(attacker: Attacker, handler: Handler) -> None:
    """Give the kernel's threads, of which the next handler is forked, a second of CPU time each."""
    on_forking_threads(attacker, lambda pid: attacker.prlimit(pid, RLIMIT_CPU, (1, 1)))


@_inherits(
    also=(Effect.AVAILABILITY,),
    shows="policy",
    surface="sched-policy-inherit",
    answers=("L6", "R16"),
    reach="security_task_setscheduler",
)
def sched_policy_inherit(attacker: Attacker, handler: Handler) -> None:
    """Let the threads of which the next handler is forked run only when nothing else wants to.

    Set back afterwards, so that nobody but the handler waits for others to burn CPU time.
    """
    _schedule_all(attacker, SCHED_IDLE)
    handler.restart()
    _schedule_all(attacker, SCHED_OTHER)
    _burn(attacker, handler)


@_inherits(
    shows="policy",
    surface="timerslack-inherit",
    answers=("L6", "R16"),
    reach="security_task_setscheduler",
    holes=ALIKE,
)
def timerslack_inherit(attacker: Attacker, handler: Handler) -> None:
    """Have the timers of the threads of which the next handler is forked be ten seconds late."""
    on_forking_threads(
        attacker, lambda pid: attacker.write_file(f"/proc/{pid}/timerslack_ns", b"%d" % SLACK_NS)
    )


@_inherits(
    shows="policy",
    surface="ioprio-set",
    answers=("L6", "R16"),
    reach="security_task_setioprio",
    holes=ALIKE,
)
def ioprio_inherit(attacker: Attacker, handler: Handler) -> None:
    """Let the threads of which the next handler is forked have the disk only when it is idle."""
    on_forking_threads(
        attacker, lambda pid: attacker.syscall("ioprio_set", IOPRIO_WHO_PROCESS, pid, IOPRIO_IDLE)
    )


@_inherits(
    shows="oom score",
    surface="oom-score-adj-sysrq-f",
    answers=("T15", "R16"),
    reach="oom_score_adj_write",
    holes=ALIKE,
)
def oom_score_inherit(attacker: Attacker, handler: Handler) -> None:
    """Make the threads of which the next handler is forked the first to go when memory is short."""
    on_forking_threads(
        attacker, lambda pid: attacker.write_file(f"/proc/{pid}/oom_score_adj", b"1000")
    )


@_inherits(
    shows="policy",
    surface="core-sched-cookie",
    answers=("L6", "L5"),
    cpus=2,
    reach="sched_core_share_pid",
    needs=("SCHED_CORE",),
    since="6.12",  # to 6.1, QEMU's processors have no threads
    holes=NOT_SET_BACK,
)
def core_sched_inherit(attacker: Attacker, handler: Handler) -> None:
    """Give each thread of which the next handler is forked a cookie: it runs with nobody else.

    Taken back afterwards, for whoever has none waits while one of these is on the same core.
    """
    on_forking_threads(
        attacker, lambda pid: attacker.prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, pid, ONE_THREAD)
    )
    handler.restart()
    on_forking_threads(  # it becomes as our own, which is none
        attacker, lambda pid: attacker.prctl(PR_SCHED_CORE, PR_SCHED_CORE_SHARE_TO, pid, ONE_THREAD)
    )


@scenario(
    effect=Effect.CONFIDENTIALITY,
    also=(Effect.INTEGRITY,),
    shows="perf",
    surface="perf-inherit-from-kworker",
    answers=("T1", "R16"),
    reach="perf_event_alloc",
    target="start",
    holes=on_kthread(
        Verdict.TAMPERED, "it inherits as well, though it has no user stack", partly=True
    )
    | on_debug(Verdict.TAMPERED, NO_PROBES),
    debugging=True,
)
def perf_inherit_from_kworker(attacker: Attacker, handler: Handler) -> None:
    """Read the secret off the stack of the next handler, which inherits a worker's perf events."""
    events = on_forking_threads(attacker, partial(_sample_heirs, attacker))
    for event in events:
        event.map_ring()
    handler.restart()
    for _ in range(LOOKS):
        handler.wait_for_request()
    stacks = [stack for event in events for stack in event.stacks() if stack]
    if not stacks:
        raise NoTarget("its samples carry no user stack")
    for stack in stacks:
        attacker.show_all(stack)


def _sample_heirs(attacker: Attacker, pid: int) -> PerfEvent:
    return PerfEvent(attacker, pid, cpu=0, sample=PERF_SAMPLE_STACK_USER, flags=INHERIT)


@_inherits(
    shows="root",
    surface="init-fs-chroot",
    answers=("L5", "R15"),
    reach="set_fs_root",
    holes=on_both(
        Verdict.TAMPERED, "the kernel's threads share their root with pid 1, and nothing sets it"
    ),
)
def init_fs_chroot(attacker: Attacker, handler: Handler) -> None:
    """Have pid 1, with which the kernel's threads share it, take another directory for the root."""
    with attacker.setup():
        attacker.mkdir("/tmp/root")  # noqa: S108 - the guest's, not ours
        attacker.mount("/", "/tmp/root", "none", MS_BIND)  # noqa: S108
    with attacker.seize(1) as init:
        inject(init, "chroot", "/tmp/root")  # noqa: S108


@_inherits(
    shows="policy",
    surface="workqueue-cpumask-inherit",
    answers=("L6", "L5"),
    cpus=2,
    reach="workqueue_apply_unbound_cpumask",
)
def workqueue_cpumask_inherit(attacker: Attacker, handler: Handler) -> None:
    """Confine the kernel's workers, of which the next handler is forked, to one of two CPUs."""
    attacker.write_file(WORKERS_CPUS, b"2")


@_inherits(
    shows="credentials",
    surface="umh-bset-inheritable",
    answers=("L5", "C12"),
    reach="proc_cap_handler",
)
def umh_bset_inheritable(attacker: Attacker, handler: Handler) -> None:
    """Leave what the kernel starts no capability but the one to load a module."""
    attacker.write_file(BSET, b"%d 0" % CAP_SYS_MODULE)


def _schedule_all(attacker: Attacker, policy: int) -> None:
    on_forking_threads(attacker, lambda pid: attacker.sched_setscheduler(pid, policy, 0))


def _burn(attacker: Attacker, handler: Handler) -> None:
    payload = attacker.payload("burn")
    with attacker.setup():
        burners = [attacker.spawn(payload) for _ in range(BURNERS)]
    handler.let_pass(BURNING_NS)
    for pid in burners:
        attacker.kill(pid, SIGKILL)


_of_workers = partial(
    scenario,
    effect=Effect.AVAILABILITY,
    surface="sched-policy-inherit",
    answers=("T10", "L6"),
    reach="security_task_setscheduler",
)


@_of_workers(target="system", also=(Effect.INTEGRITY,), shows="policy")
def sched_idle_workers(attacker: Attacker, handler: Handler) -> None:
    """Let the kernel's workers, who talk to the handler, run only when nobody burns CPU time.

    Who is started meanwhile inherits it: that one is, for certain, once the burning is over.
    """
    _schedule_all(attacker, SCHED_IDLE)
    _burn(attacker, handler)
    handler.restart()
    _schedule_all(attacker, SCHED_OTHER)


@_of_workers(
    target="start",
    holes=on_kthread(Verdict.DISRUPTED, "a thread with a deadline cannot fork"),
)
def deadline_cannot_fork(attacker: Attacker, handler: Handler) -> None:
    """Give the threads of which the next handler is forked a deadline: such a thread may not fork.

    Set back afterwards: one failed start is enough.
    """
    on_forking_threads(
        attacker, partial(set_deadline, attacker, runtime=DEADLINE_NS, period=PERIOD_NS)
    )
    handler.restart()
    _schedule_all(attacker, SCHED_OTHER)


@_of_workers(target="system", cpus=2)
def lone_worker(attacker: Attacker, handler: Handler) -> None:
    """Have the kernel's workers made anew, one each, and no second one, without whom none works.

    A race: no second one must be wanted before kthreadd can no longer fork.
    """
    attacker.write_file(WORKERS_CPUS, b"3")  # the payload would not tell by whom it is refused
    payload = attacker.payload("lone_worker")
    for cpus in ("1", "2") * TURNS:
        attacker.run(payload, cpus)
        seen = handler.requests()
        handler.let_pass(LATE_NS)
        won = handler.requests() == seen
        attacker.tried(won=won)
        attacker.sched_setscheduler(KTHREADD, SCHED_OTHER, 0)
        attacker.write_file(WORKERS_CPUS, b"3")  # before another handler is started there
        if won:
            break
