# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by the scheduler, by CPU hotplug and by the clocks."""

from __future__ import annotations

import os
from errno import EACCES, EINVAL, EPERM
from functools import partial
from os import PRIO_PROCESS, SCHED_FIFO, SCHED_IDLE
from signal import SIGKILL
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.attacker.tools.clocks import cpu_time, set_clock
from harness.attacker.tools.priority import SECOND_CPU, WORKERS_CPUS, set_deadline, wait_for_lock_of
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import on_both, on_kthread
from harness.scenarios.registry import BY_OPEN, scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

SCHEDULED_ALIKE = on_kthread(
    Verdict.TAMPERED, "root may set a kernel thread's scheduling like a process's"
)

MILLISECOND = 1_000_000
SECOND = 1000 * MILLISECOND
NICEST = 19
IOPRIO_WHO_PROCESS = 1
IOPRIO_CLASS_IDLE = 3 << 13

FAIR_SERVER = "/sys/kernel/debug/sched/fair_server/cpu{}/runtime"
RT_RUNTIME = "/proc/sys/kernel/sched_rt_runtime_us"
PAST_DEADLINE_NS = 5_000_000_000
"""The library waits 2 s for the handler's end, and the request behind it as long."""
Y2001, Y2100 = 978307200, 4102444800
LOOKS = 100

FOR_ONESELF = {
    "sched": (b"0", 0),  # only resets statistics
    "timens_offsets": (b"monotonic 1 0", EACCES),  # the initial time namespace's are fixed
    "loginuid": (b"0", EPERM),
    "comm": (b"cell", EINVAL),
    "attr/current": (b"cell", EPERM),
    "attr/smack/current": (b"cell", EPERM),
}
"""Files that seem to change a process: the bytes to write and the expected errno, or 0."""


_at_will = partial(
    scenario,
    effect=Effect.INTEGRITY,
    shows="policy",
    answers=("L6", "R16"),
    refused=(EPERM,),
    holes=SCHEDULED_ALIKE,
)


@_at_will(
    surface="sched-setscheduler-attr-param",
    call="sched_setscheduler",
    reach="security_task_setscheduler",
)
def sched_idle(attacker: Attacker, handler: Handler) -> None:
    """Set SCHED_IDLE on the handler by sched_setscheduler(2)."""
    attacker.sched_setscheduler(handler.pid, SCHED_IDLE, 0)
    handler.wait_for_request()


@_at_will(
    surface="sched-setscheduler-attr-param",
    call="sched_setattr",
    reach="security_task_setscheduler",
)
def sched_deadline(attacker: Attacker, handler: Handler) -> None:
    """Set SCHED_DEADLINE on the handler by sched_setattr(2). It may run half of the time."""
    set_deadline(attacker, handler.pid, runtime=10 * MILLISECOND, period=20 * MILLISECOND)
    handler.wait_for_request()


@_at_will(
    surface="sched-setaffinity",
    call="sched_setaffinity",
    reach="security_task_setscheduler",
    cpus=2,
)
def sched_affinity(attacker: Attacker, handler: Handler) -> None:
    """Bind the handler to one CPU by sched_setaffinity(2)."""
    attacker.sched_setaffinity(handler.pid, {1})
    handler.wait_for_request()


@_at_will(
    surface="setpriority",
    call="setpriority",
    reach="security_task_setnice",
)
def setpriority(attacker: Attacker, handler: Handler) -> None:
    """Set nice value 19 on the handler by setpriority(2)."""
    attacker.syscall("setpriority", PRIO_PROCESS, handler.pid, NICEST)
    handler.wait_for_request()


@_at_will(
    surface="ioprio-set",
    call="ioprio_set",
    reach="security_task_setioprio",
)
def ioprio_set(attacker: Attacker, handler: Handler) -> None:
    """Set the idle I/O class on the handler by ioprio_set(2)."""
    attacker.syscall("ioprio_set", IOPRIO_WHO_PROCESS, handler.pid, IOPRIO_CLASS_IDLE)
    handler.wait_for_request()


@_at_will(
    surface="timerslack-ns",
    call="write",
    reach="security_task_setscheduler",
)
def timerslack_ns(attacker: Attacker, handler: Handler) -> None:
    """Set the handler's timer slack to 10 s through /proc/<pid>/timerslack_ns."""
    attacker.write_file(f"/proc/{handler.pid}/timerslack_ns", str(10 * SECOND).encode())
    handler.wait_for_request()


@scenario(
    effect=Effect.INTEGRITY,
    shows="policy",
    surface="futex-pi-boost",
    answers=("T10", "L5"),
    call="futex",
    no_target=(EPERM,),
    reach="futex_lock_pi",
    target="system",
)
def futex_pi_boost(attacker: Attacker, handler: Handler) -> None:
    """Wait for a PI futex whose owner is the handler. The handler gets real-time priority."""
    attacker.sched_setscheduler(0, SCHED_FIFO, 1)
    wait_for_lock_of(attacker, handler.pid, nanoseconds=SECOND)


@scenario(
    effect=Effect.NONE,
    surface="autogroup-nice",
    answers=("L5",),
    call="write",
    refused=(EINVAL,),
    reach="proc_sched_autogroup_set_nice",
)
def autogroup_nice(attacker: Attacker, handler: Handler) -> None:
    """Set nice value 19 on the handler's autogroup. The handler has none, and no hook is called."""
    attacker.write_file(f"/proc/{handler.pid}/autogroup", str(NICEST).encode())


@scenario(
    effect=Effect.STEP,
    surface="posix-cpu-timer-remote",
    through="pid_for_clock",
    answers=("T4", "L5"),
    holes=on_both(Verdict.HELD, "the kernel lets every process read every task's CPU clock"),
)
def posix_cpu_clock(attacker: Attacker, handler: Handler) -> None:
    """Read the handler's CPU time to the nanosecond from its CPU clock."""
    pid = handler.pid
    looks = (cpu_time(attacker, pid) for _ in range(LOOKS))
    # Keep a value that the host finds in the kernel: the handler slept while it was read.
    seen = next((time for time in looks if handler.has_on_record(time)), None)
    attacker.gain("its CPU time to the nanosecond", seen is not None, truth=True)


_starvation = partial(
    scenario,
    effect=Effect.AVAILABILITY,
    surface="rt-starvation",
    through="__sched_setscheduler",
    answers=("L6", "R16"),
    holes=on_both(
        Verdict.DISRUPTED, "real-time tasks go before ordinary tasks, also before kernel threads"
    ),
)


@_starvation(since="6.12", lockdown=BY_OPEN)
def rt_starvation(attacker: Attacker, handler: Handler) -> None:
    """Run a real-time task and set the fair server's runtime to 0. All other tasks starve."""
    take_the_cpu(attacker, handler, share=FAIR_SERVER.format(0), none=b"0")


@_starvation(before="6.12")
def rt_throttling_off(attacker: Attacker, handler: Handler) -> None:
    """Run a real-time task and set sched_rt_runtime_us to -1. All other tasks starve."""
    take_the_cpu(attacker, handler, share=RT_RUNTIME, none=b"-1")


def take_the_cpu(attacker: Attacker, handler: Handler, *, share: str, none: bytes) -> None:
    """Run the payload hog after a write of `none` to the file that reserves CPU time for others."""
    with attacker.setup():
        hog = attacker.payload("hog")
    attacker.sched_setscheduler(0, SCHED_FIFO, 2)  # or the agent starves as well
    attacker.write_file(share, none)
    pid = attacker.spawn(hog)
    handler.wait_for_request()
    _, status = attacker.waitpid(pid)
    if os.waitstatus_to_exitcode(status):
        raise LookupError("the hog had no real-time policy")


def take_second_cpu(attacker: Attacker) -> int:
    """Run a real-time task on CPU 1, and return its pid.

    Since Linux 6.12 the fair server gives other tasks of the CPU 50 ms in each second.
    """
    with attacker.setup():
        hog = attacker.spawn(attacker.payload("burn"))
        attacker.sched_setaffinity(hog, {1})
    attacker.sched_setscheduler(hog, SCHED_FIFO, 1)
    return hog


@scenario(
    effect=Effect.AVAILABILITY,
    also=(Effect.INTEGRITY,),
    shows="policy",
    surface="rt-starvation",
    answers=("L6", "R16"),
    cpus=2,
    since="6.12",  # the fair server
    reach="apply_wqattrs_commit",
    target="system",
    lockdown=BY_OPEN,
)
def workers_on_starved_cpu(attacker: Attacker, handler: Handler) -> None:
    """Restrict unbound workers to one of two CPUs. A real-time task occupies this CPU."""
    attacker.write_file(FAIR_SERVER.format(1), b"0")
    hog = take_second_cpu(attacker)
    attacker.write_file(WORKERS_CPUS, b"2")
    handler.let_pass(PAST_DEADLINE_NS)
    attacker.kill(hog, SIGKILL)
    handler.wait_for_request()  # the new handler inherits the CPUs of the worker that starts it
    attacker.write_file(WORKERS_CPUS, b"3")


@scenario(
    effect=Effect.NONE,
    surface="cpu-hotplug",
    answers=("L5", "R16"),
    cpus=2,
    reach="cpu_device_down",
    target="system",
)
def cpu_hotplug(attacker: Attacker, handler: Handler) -> None:
    """Take one of two CPUs offline, several times. The handler runs on the other CPU."""
    for _ in range(3):
        attacker.write_file(SECOND_CPU, b"0")
        handler.wait_for_request()
        attacker.write_file(SECOND_CPU, b"1")
        handler.wait_for_request()
    attacker.write_file(SECOND_CPU, b"0")
    handler.restart()
    handler.wait_for_request()


@scenario(
    effect=Effect.NONE,
    surface="settime-vdso-clock",
    answers=("L5", "T7"),
    reach="security_settime64",
    target="system",
)
def clock_settime(attacker: Attacker, handler: Handler) -> None:
    """Set CLOCK_REALTIME to 2100 and to 2001. The library's deadlines use another clock."""
    for seconds in (Y2100, Y2001):
        set_clock(attacker, seconds)
        handler.wait_for_request()


@scenario(
    effect=Effect.NONE,
    surface="proc-sched-timens-uid-map-setgroups-loginuid-comm-attr",
    answers=("L5",),
    reach="get_pid_task",
)
def proc_files_for_oneself(attacker: Attacker, handler: Handler) -> None:
    """Write to files of /proc/<pid> that only their process may write, or that change nothing."""
    for name, (data, errno) in FOR_ONESELF.items():
        try:
            attacker.write_file(f"/proc/{handler.pid}/{name}", data)
        except GuestError as error:
            if error.errno != errno:
                raise
        else:
            if errno:
                raise LookupError(f"the write to /proc/<pid>/{name} was not refused")
