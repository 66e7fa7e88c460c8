# SPDX-License-Identifier: GPL-2.0-only
"""Attacks that leave the running handler alone: none comes after it.

What the attack takes away it gives back once a start has failed: one is enough, and what follows
shows whether the library recovers.
"""

from __future__ import annotations

from errno import EAGAIN, EPERM
from functools import partial
from os import O_NONBLOCK, O_RDONLY
from signal import SIGKILL
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError, NoTarget
from harness.attacker.tools.bpf import BpfObject
from harness.attacker.tools.gate import Gate
from harness.attacker.tools.perf import REMOVE_ON_EXEC, SIGTRAP, PerfEvent
from harness.attacker.tools.priority import SECOND_CPU, WORKERS_CPUS
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import NO_BLOB, on_both, on_debug, on_kthread
from harness.scenarios.registry import BY_OPEN, scenario
from harness.scenarios.tracing import NO_SIGNAL

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

MODPROBE = "/proc/sys/kernel/modprobe"
MODULES_DISABLED = "/proc/sys/kernel/modules_disabled"
PID_MAX = "/proc/sys/kernel/pid_max"
LEAST_PIDS = b"301"
"""RESERVED_PIDS and one (kernel/pid.c): the sysctl takes no less."""

SNAPSHOT_FREEZE, SNAPSHOT_UNFREEZE = 0x3301, 0x3302
STORM = 8

BY_MODPROBE = on_both(
    Verdict.DISRUPTED, "the loader of either comes by modprobe, which is root's to point elsewhere"
)


_no_restart = partial(
    scenario,
    effect=Effect.AVAILABILITY,
    answers=("L6", "R16"),
    target="start",
)


@_no_restart(
    surface="umh-disabled",
    through="__usermodehelper_disable",
    needs=("HIBERNATION_SNAPSHOT_DEV",),
    holes=on_both(Verdict.DISRUPTED, "no helper, modprobe included, starts while all is frozen"),
    lockdown=BY_OPEN,
    freezes=True,
)
def umh_disabled(attacker: Attacker, handler: Handler) -> None:
    """Freeze all processes, as for a snapshot: meanwhile the kernel starts no helper."""
    with attacker.open("/dev/snapshot", O_RDONLY) as snapshot:
        attacker.syscall("ioctl", snapshot.fd, SNAPSHOT_FREEZE, 0)
        attacker.syscall("delete_module", handler.loader, O_NONBLOCK)
        handler.wait_for_failure()
        attacker.syscall("ioctl", snapshot.fd, SNAPSHOT_UNFREEZE, 0)


_no_helper = partial(_no_restart, surface="umh-workqueue-exhaustion", reach="call_sbin_request_key")


@_no_helper(before="6.13")
def umh_workqueue_exhaustion(attacker: Attacker, handler: Handler) -> None:
    """Keep as many helpers waiting as the kernel has at a time: the next start waits as well."""
    restart_behind_helpers(attacker, handler)


@_no_helper(since="6.9", cpus=2)
def umh_workqueue_offline(attacker: Attacker, handler: Handler) -> None:
    """Give the workers none but an offline CPU: then no more than eight helpers wait at a time."""
    attacker.write_file(SECOND_CPU, b"0")
    attacker.write_file(WORKERS_CPUS, b"2")
    restart_behind_helpers(attacker, handler)
    attacker.write_file(WORKERS_CPUS, b"3")


def restart_behind_helpers(attacker: Attacker, handler: Handler) -> None:
    """Have the handler start again while 520 helpers wait for a gate, and then open it."""
    gate = Gate(attacker)
    with attacker.setup():
        helper = attacker.read_file(gate.helper)
        attacker.write_file("/sbin/request-key", helper, mode=0o755)
        said, writer = attacker.pipe()
        with writer:
            attacker.spawn(attacker.payload("ask_for_keys"), stdout=writer.fd)
    said.read(1)
    handler.restart()
    gate.open()


@_no_restart(
    surface="pid-exhaustion",
    through="copy_process",
    holes=on_both(Verdict.DISRUPTED, "a thread counts as well as a process does"),
)
def threads_max(attacker: Attacker, handler: Handler) -> None:
    """Allow the system no more threads than there are."""
    restart_without_threads(attacker, handler)


def restart_without_threads(attacker: Attacker, handler: Handler, *, proc: str = "/proc") -> None:
    """Have the handler start again while no more threads are allowed, by the procfs there."""
    path = f"{proc}/sys/kernel/threads-max"
    limit = attacker.read_file(path)
    attacker.write_file(path, b"1")
    handler.restart()
    attacker.write_file(path, limit)


@_no_restart(
    surface="pid-exhaustion",
    through="alloc_pid",
    holes=on_both(Verdict.DISRUPTED, "a thread has a pid as well as a process has"),
)
def pid_max(attacker: Attacker, handler: Handler) -> None:
    """Allow as few pids as the kernel lets one, and take them all."""
    limit = attacker.read_file(PID_MAX)
    attacker.write_file(PID_MAX, LEAST_PIDS)
    _fork_until_refused(attacker)
    handler.restart()
    attacker.write_file(PID_MAX, limit)


def _fork_until_refused(attacker: Attacker) -> None:
    for _ in range(int(LEAST_PIDS)):
        try:
            attacker.fork()
        except GuestError as error:
            if error.errno != EAGAIN:
                raise
            return
    raise LookupError("there were pids for all")


@_no_restart(
    surface="modules-disabled-after-unload",
    through="__request_module",
    holes=on_both(
        Verdict.DISRUPTED, "the loader of either is a module, and root may unload it and allow none"
    ),
)
def modules_disabled_after_unload(attacker: Attacker, handler: Handler) -> None:
    """Unload the loader, and have the kernel load no module any more until it boots again."""
    modprobe = attacker.read_file(MODPROBE)
    attacker.write_file(MODPROBE, b"/none")  # or the kernel is quicker
    attacker.syscall("delete_module", handler.loader, O_NONBLOCK)
    attacker.write_file(MODULES_DISABLED, b"1")
    attacker.write_file(MODPROBE, modprobe)


@_no_restart(
    surface="modprobe-hang",
    through="__request_module",
    holes=BY_MODPROBE,
)
def modprobe_hang(attacker: Attacker, handler: Handler) -> None:
    """Unload the loader, and have the kernel load it with a program that never ends."""
    gate = Gate(attacker)
    modprobe = attacker.read_file(MODPROBE)
    attacker.write_file(MODPROBE, gate.helper.encode())
    attacker.syscall("delete_module", handler.loader, O_NONBLOCK)
    handler.wait_for_failure()
    attacker.write_file(MODPROBE, modprobe)
    gate.open()


@_no_restart(
    also=(Effect.INTEGRITY,),
    shows="credentials",
    surface="umh-bset-inheritable",
    through="proc_cap_handler",
    holes=on_both(Verdict.DISRUPTED, "modprobe, by which the loader of either comes, is a helper"),
)
def umh_bset_of_modprobe(attacker: Attacker, handler: Handler) -> None:
    """Unload the loader, and leave what the kernel starts no capability to load a module."""
    attacker.write_file("/proc/sys/kernel/usermodehelper/bset", b"0 0")
    attacker.syscall("delete_module", handler.loader, O_NONBLOCK)
    handler.wait_for_failure()
    with attacker.open(f"/lib/modules/{handler.loader}.ko", O_RDONLY) as module:
        attacker.syscall("finit_module", module.fd, "", 0)


_by_policy = partial(
    _no_restart,
    surface="lsm-policy-as-weapon",
    call="bpf",
    refused=(EPERM,),
    needs=("BPF_LSM",),
)


@_by_policy(
    not_applicable=NO_BLOB,
    reach="security_bpf_prog_load",
)
def lsm_denies_exec(attacker: Attacker, handler: Handler) -> None:
    """Load a security policy, a BPF program, under which the handler's blob is not executed."""
    BpfObject(attacker, "deny_exec", whom=_as_comm(handler.name))
    handler.restart()


@_by_policy(
    reach="security_bpf_prog_load",
)
def lsm_denies_pipes(attacker: Attacker, handler: Handler) -> None:
    """Load a security policy, a BPF program, under which the handler may not read its pipe."""
    denial = BpfObject(attacker, "deny_files", whom=_as_comm(handler.name))
    if not denial.hits():
        raise NoTarget("it reads no file")


@_by_policy(
    holes=on_kthread(
        Verdict.DISRUPTED, "security modules are asked before the kernel's modules load"
    ),
    reach="security_bpf_prog_load",
)
def lsm_denies_modules(attacker: Attacker, handler: Handler) -> None:
    """Load a security policy, a BPF program, under which the kernel asks for no module."""
    BpfObject(attacker, "deny_modules")


def _as_comm(name: str) -> bytes:
    return name.encode().ljust(16, b"\0")


@_no_restart(
    surface="restart-storm",
    call="kill",
    refused=(EPERM,),
    reach="security_task_kill",
)
def restart_storm(attacker: Attacker, handler: Handler) -> None:
    """Kill each handler as soon as it serves: every start is another chance to meddle with it."""
    for _ in range(STORM):
        attacker.kill(handler.pid, SIGKILL)
        handler.wait_for_request()


@_no_restart(
    also=(Effect.INTEGRITY,),
    shows="perf",
    surface="restart-storm",
    call="perf_event_open",
    refused=(EPERM,),
    reach="perf_event_alloc",
    holes=on_kthread(
        Verdict.TAMPERED, "it has the event as well, though it takes no SIGTRAP", partly=True
    )
    | on_debug(Verdict.TAMPERED, NO_SIGNAL),
    debugging=True,
)
def restart_storm_by_perf(attacker: Attacker, handler: Handler) -> None:
    """Have each handler end of perf's SIGTRAP as soon as it serves, which no hook sees."""
    for _ in range(STORM):
        PerfEvent(attacker, handler.pid, flags=SIGTRAP | REMOVE_ON_EXEC)
        handler.wait_for_request()
