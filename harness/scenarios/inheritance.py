# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on state that the next handler inherits from the kernel's threads, which root may set.

A fork copies the state, and the handler keeps it unless something resets it. No hook sees the
handler as the object: the object of the hooks is a kernel thread.
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
from harness.attacker.tools.priority import WORKERS_CPUS, clamp_utilization, set_deadline
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

BURNERS, BURNING_NS = 2, 4_000_000_000
"""Enough busy tasks for long enough that a few replies come late, or one comes far too late."""

KTHREADD = 2
TURNS = 2
LATE_NS = SLOW_NS * 6 // 5
"""Long enough to be a disruption, but shorter than the library's deadline for the handler."""

DEADLINE_NS, PERIOD_NS = 5_000_000, 100_000_000
"""The CPU time in each period, in ns: little enough that the kernel admits all its workers."""

CAP_SYS_MODULE = 1 << 16
BSET = "/proc/sys/kernel/usermodehelper/bset"

ALIKE = on_kthread(Verdict.TAMPERED, "a kernel thread inherits it from kthreadd as well")
NOT_SET_BACK = on_kthread(
    Verdict.TAMPERED, "a kernel thread inherits the cookie from kthreadd, and nothing resets it"
)


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
    holes=on_kthread(
        Verdict.TAMPERED, "a kernel thread inherits the limit as well, though it does not bind it"
    ),
)
def rlimit_inherit(attacker: Attacker, handler: Handler) -> None:
    """Set RLIMIT_CPU of 1 s on the threads that fork the next handler. The handler inherits it."""
    on_forking_threads(attacker, lambda pid: attacker.prlimit(pid, RLIMIT_CPU, (1, 1)))


@_inherits(
    also=(Effect.AVAILABILITY,),
    shows="policy",
    surface="sched-policy-inherit",
    answers=("L6", "R16"),
    reach="security_task_setscheduler",
)
def sched_policy_inherit(attacker: Attacker, handler: Handler) -> None:
    """Set SCHED_IDLE on the threads that fork the next handler, which inherits it and starves.

    The threads get SCHED_OTHER again afterwards, so that only the handler waits for the tasks that
    burn CPU time.
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
    """Set a timer slack of 10 s on the threads that fork the next handler. It inherits 10 s."""
    on_forking_threads(
        attacker, lambda pid: attacker.write_file(f"/proc/{pid}/timerslack_ns", b"%d" % SLACK_NS)
    )


@_inherits(
    shows="policy",
    surface="uclamp-inherit",
    answers=("L6", "R16"),
    cpus=2,
    needs=("UCLAMP_TASK",),
    reach="security_task_setscheduler",
    holes=ALIKE,
)
def uclamp_inherit(attacker: Attacker, handler: Handler) -> None:
    """Clamp the utilization of the threads that fork the next handler to 0; it inherits the clamp.

    A change of the workers' CPUs makes kthreadd fork new workers, which inherit kthreadd's clamp.
    """
    on_forking_threads(attacker, lambda pid: clamp_utilization(attacker, pid, 0))
    for cpus in (b"1", b"3"):
        attacker.write_file(WORKERS_CPUS, cpus)
        handler.wait_for_request()
    handler.restart()


@_inherits(
    shows="policy",
    surface="ioprio-set",
    answers=("L6", "R16"),
    reach="security_task_setioprio",
    holes=ALIKE,
)
def ioprio_inherit(attacker: Attacker, handler: Handler) -> None:
    """Set the idle I/O class on the threads that fork the next handler. It inherits the class."""
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
    """Set oom_score_adj 1000 on the threads that fork the next handler. It inherits the value."""
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
    since="6.12",  # Linux 6.1 sees no SMT threads on QEMU's CPUs
    holes=NOT_SET_BACK,
)
def core_sched_inherit(attacker: Attacker, handler: Handler) -> None:
    """Set core scheduling cookies on the threads that fork the next handler, by prctl(2).

    The handler inherits one, and shares its core with no other task. The threads' cookies are
    removed afterwards: a task without a cookie waits while a task with one runs on the same core.
    """
    on_forking_threads(
        attacker, lambda pid: attacker.prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, pid, ONE_THREAD)
    )
    handler.restart()
    on_forking_threads(  # PR_SCHED_CORE_SHARE_TO copies the attacker's cookie, which is none
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
        Verdict.TAMPERED,
        "a kernel thread inherits the event as well, though it has no user stack",
        partly=True,
    )
    | on_debug(Verdict.TAMPERED, NO_PROBES),
    debugging=True,
)
def perf_inherit_from_kworker(attacker: Attacker, handler: Handler) -> None:
    """Sample the next handler's stack by inherited perf events and find the secret in it."""
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
        Verdict.TAMPERED, "the kernel's threads share pid 1's root, and nothing resets it"
    ),
)
def init_fs_chroot(attacker: Attacker, handler: Handler) -> None:
    """Have pid 1 call chroot(2) by ptrace. The kernel's threads and handlers share its root."""
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
    """Restrict unbound workers to one of two CPUs. The next handler inherits the CPU mask."""
    attacker.write_file(WORKERS_CPUS, b"2")


@_inherits(
    shows="credentials",
    surface="umh-bset-inheritable",
    answers=("L5", "C12"),
    reach="proc_cap_handler",
)
def umh_bset_inheritable(attacker: Attacker, handler: Handler) -> None:
    """Set usermodehelper/bset to CAP_SYS_MODULE. The next handler has no other capability."""
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
    """Set SCHED_IDLE on the kernel's workers while other tasks burn CPU time. Requests stall.

    A handler that starts meanwhile inherits the policy. The restart after the burning makes sure
    that a handler inherits it.
    """
    _schedule_all(attacker, SCHED_IDLE)
    _burn(attacker, handler)
    handler.restart()
    _schedule_all(attacker, SCHED_OTHER)


@_of_workers(
    target="start",
    holes=on_kthread(Verdict.DISRUPTED, "kthreadd cannot fork while it has SCHED_DEADLINE"),
)
def deadline_cannot_fork(attacker: Attacker, handler: Handler) -> None:
    """Set SCHED_DEADLINE on the threads that fork the next handler. They can no longer fork.

    One failed start is enough. Then the attack sets the policy back.
    """
    on_forking_threads(
        attacker, partial(set_deadline, attacker, runtime=DEADLINE_NS, period=PERIOD_NS)
    )
    handler.restart()
    _schedule_all(attacker, SCHED_OTHER)


@_of_workers(target="system", cpus=2)
def lone_worker(attacker: Attacker, handler: Handler) -> None:
    """Recreate the worker pools with one worker each while kthreadd cannot fork. Work stalls.

    This is a race: kthreadd must be unable to fork before a pool asks for a second worker.
    """
    attacker.write_file(WORKERS_CPUS, b"3")  # the payload writes it as well, without an errno
    payload = attacker.payload("lone_worker")
    for cpus in ("1", "2") * TURNS:
        attacker.run(payload, cpus)
        won = handler.is_silent_for(LATE_NS)
        attacker.tried(won=won)
        attacker.sched_setscheduler(KTHREADD, SCHED_OTHER, 0)
        attacker.write_file(WORKERS_CPUS, b"3")  # before a worker with this mask forks a handler
        if won:
            break
