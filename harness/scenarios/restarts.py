# SPDX-License-Identifier: GPL-2.0-only
"""Attacks that keep the next handler from starting, and do nothing to the running one.

An attack undoes its change after one failed start, which is enough. The requests that follow show
whether the library recovers.
"""

from __future__ import annotations

from contextlib import contextmanager
from errno import EAGAIN, EPERM
from functools import partial
from os import O_NONBLOCK, O_RDONLY, O_RDWR
from signal import SIGKILL
from stat import S_IFIFO
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError, NoTarget
from harness.attacker.agent.files import File
from harness.attacker.tools.bpf import BpfObject
from harness.attacker.tools.fuse import SilentFile
from harness.attacker.tools.perf import REMOVE_ON_EXEC, SIGTRAP, PerfEvent
from harness.attacker.tools.priority import SECOND_CPU, WORKERS_CPUS
from harness.attacker.tools.starts import Lookout
from harness.attacker.tools.usermode_helper import Gate
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import NO_BLOB, on_both, on_debug, on_kthread
from harness.scenarios.registry import BY_OPEN, scenario
from harness.scenarios.tracing import NO_SIGNAL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.attacker import Attacker
    from harness.witness.handler import Handler

MODPROBE = "/proc/sys/kernel/modprobe"
MODULES_DISABLED = "/proc/sys/kernel/modules_disabled"
PID_MAX = "/proc/sys/kernel/pid_max"
LEAST_PIDS = b"301"
"""RESERVED_PIDS + 1 (kernel/pid.c), the minimum of the sysctl."""

FIFO = "/tmp/fifo"  # noqa: S108 - the guest's, not ours
CLOSED_LATER = 3
"""The first ends keep the kernel's worker that closes files. The last is left for the loader."""
HELD_SECONDS = 30
"""Until the loader is loaded again, after the attack."""
RING_ENDS_NS = 200_000_000
"""The time of the guest in which the kernel ends a ring and puts its files."""
SPLICE = b"275 "
"""How /proc/<pid>/syscall begins for a process that waits in splice(2)."""
URING_PARAMS = 120
"""The size of struct io_uring_params (include/uapi/linux/io_uring.h)."""
IORING_REGISTER_FILES = 2

SNAPSHOT_FREEZE, SNAPSHOT_UNFREEZE = 0x3301, 0x3302
STORM = 8
_REFUSED = b"r"
"""The answer of kill_modprobe.c if a signal was refused."""

BY_MODPROBE = on_both(
    Verdict.DISRUPTED, "modprobe loads the loader, also a kernel thread's, and root sets its path"
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
    holes=on_both(Verdict.DISRUPTED, "no helper, not even modprobe, starts during a freeze"),
    lockdown=BY_OPEN,
    freezes=True,
)
def umh_disabled(attacker: Attacker, handler: Handler) -> None:
    """Unload the loader and freeze all processes by /dev/snapshot. The kernel starts no helpers."""
    with attacker.open("/dev/snapshot", O_RDONLY) as snapshot:
        attacker.syscall("ioctl", snapshot.fd, SNAPSHOT_FREEZE, 0)
        attacker.syscall("delete_module", handler.loader, O_NONBLOCK)
        handler.wait_for_failure()
        attacker.syscall("ioctl", snapshot.fd, SNAPSHOT_UNFREEZE, 0)


_no_helper = partial(
    _no_restart,
    surface="umh-workqueue-exhaustion",
    reach="call_sbin_request_key",
    seconds=240,  # 520 programs start and end, on a busy host as well
)


@_no_helper(before="6.13")
def umh_workqueue_exhaustion(attacker: Attacker, handler: Handler) -> None:
    """Block as many helpers as the workqueue runs at a time. The next handler's start waits."""
    with blocked_helpers(attacker):
        handler.restart()


@_no_helper(since="6.9", cpus=2)
def umh_workqueue_offline(attacker: Attacker, handler: Handler) -> None:
    """Restrict workers to an offline CPU. Eight blocked helpers then delay the next handler."""
    attacker.write_file(SECOND_CPU, b"0")
    attacker.write_file(WORKERS_CPUS, b"2")
    with blocked_helpers(attacker):
        handler.restart()
        attacker.write_file(WORKERS_CPUS, b"3")


@contextmanager
def blocked_helpers(attacker: Attacker) -> Iterator[None]:
    """Ask for 520 helpers that wait at a gate. After the block, let them end, eight at a time.

    The attack must not end before them: the loader's reload would wait behind the rest.
    """
    gate = Gate(attacker)
    with attacker.setup():
        helper = attacker.read_file(gate.helper)
        attacker.write_file("/sbin/request-key", helper, mode=0o755)
        order, leave = attacker.pipe()
        said, saying = attacker.pipe()
        with order, saying:
            asker = attacker.payload("ask_for_keys")
            attacker.spawn(asker, stdin=order.fd, stdout=saying.fd)
    while (answer := said.read(1)) == b".":
        pass
    if not answer:
        raise LookupError("the payload ended before it had asked for all keys")
    yield
    leave.write(b".")
    while said.read(1):
        pass


@_no_restart(
    surface="pid-exhaustion",
    through="copy_process",
    holes=on_both(Verdict.DISRUPTED, "root sets the limit, and it counts kernel threads too"),
)
def threads_max(attacker: Attacker, handler: Handler) -> None:
    """Set kernel.threads-max below the number of threads. The next handler cannot be forked."""
    restart_without_threads(attacker, handler)


def restart_without_threads(attacker: Attacker, handler: Handler, *, proc: str = "/proc") -> None:
    """Restart the handler while threads-max, in the procfs at `proc`, allows no more threads."""
    path = f"{proc}/sys/kernel/threads-max"
    limit = attacker.read_file(path)
    attacker.write_file(path, b"1")
    handler.restart()
    attacker.write_file(path, limit)


@_no_restart(
    surface="pid-exhaustion",
    through="alloc_pid",
    holes=on_both(Verdict.DISRUPTED, "root sets the limit, and a kernel thread needs a pid too"),
)
def pid_max(attacker: Attacker, handler: Handler) -> None:
    """Set kernel.pid_max to its minimum and use up all pids. The next handler cannot be forked."""
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
    raise LookupError("the pids did not run out")


@_no_restart(
    surface="modules-disabled-after-unload",
    through="__request_module",
    holes=on_both(
        Verdict.DISRUPTED,
        "the loader is a module, also a kernel thread's, and root may forbid modules",
    ),
)
def modules_disabled_after_unload(attacker: Attacker, handler: Handler) -> None:
    """Unload the loader and set kernel.modules_disabled. The loader cannot be loaded again."""
    modprobe = attacker.read_file(MODPROBE)
    attacker.write_file(MODPROBE, b"/none")  # or the kernel may load the loader again before
    attacker.syscall("delete_module", handler.loader, O_NONBLOCK)
    attacker.write_file(MODULES_DISABLED, b"1")
    attacker.write_file(MODPROBE, modprobe)


@_no_restart(
    surface="modprobe-hang",
    through="__request_module",
    holes=BY_MODPROBE,
)
def modprobe_hang(attacker: Attacker, handler: Handler) -> None:
    """Unload the loader and set kernel.modprobe to a program that hangs. The reload hangs too."""
    gate = Gate(attacker)
    modprobe = attacker.read_file(MODPROBE)
    attacker.write_file(MODPROBE, gate.helper.encode())
    attacker.syscall("delete_module", handler.loader, O_NONBLOCK)
    handler.wait_for_failure()
    attacker.write_file(MODPROBE, modprobe)
    gate.open()


@_no_restart(
    surface="modprobe-hang",
    reach="security_task_kill",
    holes=on_both(
        Verdict.DISRUPTED, "modprobe loads the loader, also a kernel thread's, and root may kill it"
    ),
)
def modprobe_killed(attacker: Attacker, handler: Handler) -> None:
    """Unload the loader, and send SIGKILL to each modprobe. No load completes."""
    lookout = Lookout(attacker, "kill_modprobe")
    lookout.ask()  # the first answer says that the payload is ready
    attacker.syscall("delete_module", handler.loader, O_NONBLOCK)
    handler.restart()
    is_refused = lookout.ask() == _REFUSED
    if not is_refused:
        handler.wait_for_failure()
    lookout.end()
    if is_refused:
        raise GuestError(EPERM, "kill")


@_no_restart(
    also=(Effect.INTEGRITY,),
    shows="credentials",
    surface="umh-bset-inheritable",
    through="proc_cap_handler",
    holes=on_both(
        Verdict.DISRUPTED, "modprobe loads the loader, also a kernel thread's, and is a helper"
    ),
)
def umh_bset_of_modprobe(attacker: Attacker, handler: Handler) -> None:
    """Unload the loader and set usermodehelper/bset to 0. modprobe may not load it again."""
    attacker.write_file("/proc/sys/kernel/usermodehelper/bset", b"0 0")
    attacker.syscall("delete_module", handler.loader, O_NONBLOCK)
    handler.wait_for_failure()
    with attacker.open(f"/lib/modules/{handler.loader}.ko", O_RDONLY) as module:
        attacker.syscall("finit_module", module.fd, "", 0)


@_no_restart(
    surface="acct-at-exit",
    reach="__x64_sys_acct",
    target="system",
    needs=("BSD_PROCESS_ACCT", "FUSE_FS"),
    not_applicable=dict.fromkeys(NO_BLOB, "who stops a kernel thread does not wait for its record"),
)
def acct_unanswered(attacker: Attacker, handler: Handler) -> None:
    """Keep the handler from ending by acct(2), which records its exit in a FUSE file."""
    file = SilentFile(attacker)
    attacker.syscall("acct", file.path)
    handler.restart()
    file.end()


@_no_restart(
    surface="delayed-fput",
    reach="__x64_sys_io_uring_register",
    target="system",
    needs=("IO_URING",),
    not_applicable=NO_BLOB,
)
def delayed_fput(attacker: Attacker, handler: Handler) -> None:
    """Let the kernel close ends of a pipe whose lock root holds. Loading a blob waits for that."""
    with attacker.setup():
        hold = attacker.payload("hold_pipe")
        attacker.syscall("mknod", FIFO, S_IFIFO | 0o600, 0)
    rings = [_ring_with_fifo(attacker) for _ in range(CLOSED_LATER)]
    with attacker.open(FIFO, O_RDWR) as pipe:
        holder = attacker.spawn(hold, str(HELD_SECONDS), stdout=pipe.fd)
    while not attacker.read_file(f"/proc/{holder}/syscall").startswith(SPLICE):
        handler.wait_for_request()
    for ring in rings:
        ring.close()
        handler.let_pass(RING_ENDS_NS)


def _ring_with_fifo(attacker: Attacker) -> File:
    """Return an io_uring that alone has the FIFO open. A thread of the kernel's ends the ring."""
    ring = File(attacker, attacker.syscall("io_uring_setup", 1, bytearray(URING_PARAMS)))
    with attacker.open(FIFO, O_RDWR) as pipe:
        files = pipe.fd.to_bytes(4, "little")
        attacker.syscall("io_uring_register", ring.fd, IORING_REGISTER_FILES, files, 1)
    return ring


@_no_restart(
    surface="printk-delay",
    effect=Effect.NONE,
    control="isolated",
    cpus=2,  # the CPU that prints does nothing else
    reach="proc_dointvec_minmax",
)
def printk_delay(attacker: Attacker, handler: Handler) -> None:
    """Have each message of the kernel take 1.5 s (printk_delay). A start prints no message."""
    attacker.write_file("/proc/sys/kernel/printk_delay", b"1500")
    handler.restart()
    handler.wait_for_request()
    # A message of a busy host, such as a late timer's, would delay a request just as well.
    attacker.write_file("/proc/sys/kernel/printk_delay", b"0")


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
    """Load a BPF LSM program on bprm_check_security that denies the exec of the blob."""
    BpfObject(attacker, "deny_exec", whom=_as_comm(handler.name))
    handler.restart()


@_by_policy(
    reach="security_bpf_prog_load",
)
def lsm_denies_pipes(attacker: Attacker, handler: Handler) -> None:
    """Load a BPF LSM program on file_permission that denies the handler its pipes."""
    denial = BpfObject(attacker, "deny_files", whom=_as_comm(handler.name))
    if not denial.hits():
        raise NoTarget("it reads no file")


@_by_policy(
    holes=on_kthread(
        Verdict.DISRUPTED, "a BPF LSM program may deny the load of a kernel thread's loader"
    ),
    reach="security_bpf_prog_load",
)
def lsm_denies_modules(attacker: Attacker, handler: Handler) -> None:
    """Load a BPF LSM program on kernel_module_request that denies the reload of the loader."""
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
    """Send SIGKILL to each handler as soon as it serves, eight times."""
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
        Verdict.TAMPERED,
        "a kernel thread can have the event as well, though it takes no SIGTRAP",
        partly=True,
    )
    | on_debug(Verdict.TAMPERED, NO_SIGNAL),
    debugging=True,
)
def restart_storm_by_perf(attacker: Attacker, handler: Handler) -> None:
    """Kill each handler by perf's SIGTRAP as soon as it serves. No hook for signals is called."""
    for _ in range(STORM):
        PerfEvent(attacker, handler.pid, flags=SIGTRAP | REMOVE_ON_EXEC)
        handler.wait_for_request()
