# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on the start of the next handler: its blob, its loader and its forked process."""

from __future__ import annotations

from contextlib import suppress
from errno import EACCES, ENOENT, ENOTDIR, EPERM, EROFS, ESRCH
from os import O_NONBLOCK, O_RDONLY, O_RDWR, WIFSIGNALED
from signal import SIGKILL
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError, NoTarget
from harness.attacker.tools.bpf import BpfObject
from harness.attacker.tools.fuse import SilentFile
from harness.attacker.tools.memory import expect_memory
from harness.attacker.tools.starts import STARTS, Lookout, catch_start
from harness.attacker.tools.usermode_helper import Gate
from harness.model.handlers import HANDLERS
from harness.model.variants import VARIANTS
from harness.model.verdict import Effect, Verdict
from harness.scenarios.direct import FRAMED
from harness.scenarios.holes import NO_BLOB, on_isolated, on_kthread
from harness.scenarios.registry import PTRACE_CHECK, scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

ELF_ENTRY = 24
"""The offset of e_entry, the address where execution starts, in an ELF header."""

GENUINE = {
    **{kind.loader: "umd_witness_backdoor" for kind in HANDLERS.values()},
    **{kind.thread: "sample_mgr" for kind in HANDLERS.values()},
}
"""For each loader, another module of this kernel, with a valid signature, to put in its place."""

INTERPRETERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux.so.2", "/lib/klibc.so")

KNOBS = ("/proc/sys/kernel", "/sys/module", "/sys/kernel/debug")
LIBRARY = ("umd_mgmt", "usermode_driver", "deadline_ms")
"""Words that the name of a sysctl or parameter of the library would have, if it had any."""


@scenario(
    effect=Effect.INTEGRITY,
    surface="proc-cwd-blob-replace",
    answers=("R4", "C2"),
    call="openat",
    refused=(EPERM, EACCES),
    no_target=(ENOENT,),
    no_target_at="security_ptrace_access_check",
    reach="security_ptrace_access_check",
    debugging=False,
)
def proc_cwd_blob_replace(attacker: Attacker, handler: Handler) -> None:
    """Replace the blob through /proc/<pid>/cwd. The next start runs the attacker's program."""
    with attacker.setup():
        forged = attacker.read_file(attacker.payload("false_handler"))
    blob = f"/proc/{handler.pid}/cwd/{handler.name}"
    attacker.open(blob, O_RDONLY).close()
    with attacker.setup():
        attacker.unlink(blob)
        attacker.write_file(blob, forged, mode=0o700)


@scenario(
    effect=Effect.AVAILABILITY,
    surface="proc-cwd-blob-replace",
    answers=("R4", "C2"),
    call="chmod",
    refused=(EPERM, EACCES, EROFS),
    no_target=(ENOENT,),
    no_target_at="security_ptrace_access_check",
    reach="security_ptrace_access_check",
    debugging=False,
)
def blob_chmod(attacker: Attacker, handler: Handler) -> None:
    """Remove the blob's execute permission by chmod(2) on /proc/<pid>/exe. No handler starts."""
    attacker.chmod(f"/proc/{handler.pid}/exe", 0)
    handler.restart()


@scenario(
    effect=Effect.INTEGRITY,
    shows="traced",
    surface="umh-startup-ptrace-race",
    tries=STARTS,
    answers=("T10", "C2"),
    call="ptrace",
    refused=(EPERM,),
    reach="security_ptrace_access_check",
    target="start",
    not_applicable=NO_BLOB,
)
def seize_at_start(attacker: Attacker, handler: Handler) -> None:
    """Attach with PTRACE_SEIZE to the forked handler, before it is marked and before its exec."""
    _catch_a_start(attacker, handler, "seize_at_start", dawdle="dawdle")


def _catch_a_start(attacker: Attacker, handler: Handler, payload: str, *, dawdle: str) -> None:
    """Start handlers until the payload, which gets the handler's name, has caught one."""
    BpfObject(attacker, dawdle)
    lookout = Lookout(attacker, payload, handler.name)
    try:
        catch_start(attacker, handler.restart, lookout.ask, missed="no process was caught in time")
    except NoTarget:
        attacker.kill(lookout.pid, SIGKILL)
        raise


@scenario(
    effect=Effect.AVAILABILITY,
    surface="umh-startup-ptrace-race",
    tries=STARTS,
    answers=("T10", "C10"),
    cpus=2,
    reach="security_task_kill",
    target="start",
    not_applicable=NO_BLOB,
)
def kill_at_start(attacker: Attacker, handler: Handler) -> None:
    """Send SIGKILL to the forked handler, before it is marked and before its exec."""
    _catch_a_start(attacker, handler, "kill_at_start", dawdle="dawdle_setup")


@scenario(
    effect=Effect.AVAILABILITY,
    surface="umh-startup-exec-lock",
    tries=STARTS,
    answers=("T10", "L6"),
    cpus=2,
    needs=("FUSE_FS",),
    reach="__x64_sys_kcmp",
    target="start",
    debugging=True,
    not_applicable=NO_BLOB,
)
def kcmp_at_start(attacker: Attacker, handler: Handler) -> None:
    """Make the exec of the handler wait for kcmp(2), which waits for the exec of a process."""
    file = SilentFile(attacker)
    lookout = Lookout(attacker, "kcmp_at_start", file.path)
    with suppress(NoTarget):  # then each start went on
        catch_start(attacker, handler.restart, lookout.ask)


@scenario(
    effect=Effect.INTEGRITY,
    surface="umh-startup-fd-race",
    tries=STARTS,
    answers=("R10", "C2"),
    cpus=2,
    reach="security_ptrace_access_check",
    target="start",
    not_applicable=NO_BLOB,
    holes=FRAMED,
)
def umh_startup_fd_race(attacker: Attacker, handler: Handler) -> None:
    """Open the pipe of the forked handler before its exec and write a forged reply to it."""
    _catch_a_start(attacker, handler, "open_at_start", dawdle="dawdle_setup")


@scenario(
    effect=Effect.INTEGRITY,
    surface="binfmt-misc-hijack",
    answers=("R4", "C2"),
    reach="load_misc_binary",
    target="start",
    not_applicable=NO_BLOB,
)
def binfmt_misc_hijack(attacker: Attacker, handler: Handler) -> None:
    """Register an interpreter for the blob in binfmt_misc. The kernel executes that instead."""
    entry = "".join(f"\\x{byte:02x}" for byte in handler.symbol("_start").to_bytes(8, "little"))
    with attacker.setup():
        forged = attacker.payload("false_handler")
        attacker.mount("none", "/proc/sys/fs/binfmt_misc", "binfmt_misc")
    rule = f":cell:M:{ELF_ENTRY}:{entry}::{forged}:"
    attacker.write_file("/proc/sys/fs/binfmt_misc/register", rule.encode())
    handler.restart()


@scenario(
    effect=Effect.INTEGRITY,
    surface="static-usermodehelper",
    through="call_usermodehelper_setup",
    answers=("R4", "R15"),
    needs=("STATIC_USERMODEHELPER",),
    not_applicable=dict.fromkeys(
        VARIANTS,
        "USERMODE_DRIVER_MGMT depends on !STATIC_USERMODEHELPER, so no such kernel can be built",
    ),
)
def static_usermodehelper(attacker: Attacker, handler: Handler) -> None:
    """Replace the program that CONFIG_STATIC_USERMODEHELPER starts in place of all helpers."""
    attacker.rename(attacker.payload("false_handler"), "/sbin/usermode-helper")
    handler.restart()


@scenario(
    effect=Effect.NONE,
    surface="elf-interp",
    answers=("R2", "R4"),
    reach="load_elf_binary",
    target="start",
    not_applicable=NO_BLOB,
)
def elf_interp(attacker: Attacker, handler: Handler) -> None:
    """Replace the ELF interpreters and restart. The blob is static and has none."""
    with attacker.setup():
        forged = attacker.read_file(attacker.payload("false_handler"))
        if "lib64" not in attacker.listdir("/"):
            attacker.mkdir("/lib64")
    for interpreter in INTERPRETERS:
        # Not in place, because running processes have it mapped.
        attacker.write_file(f"{interpreter}.new", forged, mode=0o755)
        attacker.rename(f"{interpreter}.new", interpreter)
    handler.restart()


@scenario(
    effect=Effect.INTEGRITY,
    surface="lsm-boot-param",
    answers=("C11", "L5"),
    boot="lsm=capability",
    call="openat",
    refused=(EPERM, EACCES),
    no_target=(ESRCH,),
    no_target_at="mm_access",
    reach=PTRACE_CHECK,
)
def lsm_boot_param(attacker: Attacker, handler: Handler) -> None:
    """Boot with lsm=capability, then overwrite the handler's state through /proc/<pid>/mem."""
    expect_memory(attacker, handler.pid)
    with attacker.open(f"/proc/{handler.pid}/mem", O_RDWR) as mem:
        mem.pwrite(b"\xff" * 32, handler.symbol("chain"))


@scenario(
    effect=Effect.INTEGRITY,
    shows="image",
    surface="signed-loader-rollback",
    answers=("C13", "C15"),
    reach="security_kernel_read_file",
    target="start",
    holes=on_isolated(
        Verdict.DISRUPTED, "the manager refuses a blob that it does not know, so no handler starts"
    )
    | on_kthread(Verdict.DISRUPTED, "the module in the loader's place starts no kernel thread"),
)
def signed_loader_rollback(attacker: Attacker, handler: Handler) -> None:
    """Unload the loader and put another module with a valid signature in its place."""
    attacker.rename(
        f"/lib/modules/{GENUINE[handler.loader]}.ko", f"/lib/modules/{handler.loader}.ko"
    )
    attacker.syscall("delete_module", handler.loader, O_NONBLOCK)


@scenario(
    effect=Effect.NONE,
    surface="identity-spoof",
    answers=("T6", "R10"),
    reach="security_task_kill",
    target="system",
)
def identity_spoof(attacker: Attacker, handler: Handler) -> None:
    """Give a process the handler's name. The kernel does not take the process for a handler."""
    gate = Gate(attacker)
    double = f"/tmp/{handler.name}"  # noqa: S108 - the guest's, not ours
    with attacker.setup():
        attacker.rename(gate.helper, double)
        pid = attacker.spawn(double)
    attacker.kill(pid, SIGKILL)
    _, status = attacker.waitpid(pid)
    if not WIFSIGNALED(status):
        raise LookupError("the process was protected from SIGKILL like the handler")


@scenario(
    effect=Effect.NONE,
    surface="runtime-deadline",
    answers=("R9", "L6"),
    reach="proc_sys_readdir",
    target="system",
)
def runtime_deadline(attacker: Attacker, handler: Handler) -> None:
    """Write 1 to each sysctl and parameter of the library. None of them changes its deadline."""
    for directory in KNOBS:
        for name in attacker.listdir(directory):
            if any(word in name for word in LIBRARY):
                _set_all(attacker, f"{directory}/{name}")


def _set_all(attacker: Attacker, place: str) -> None:
    """Write to a file, or to each parameter of a module."""
    try:
        parameters = attacker.listdir(f"{place}/parameters")
    except GuestError as error:
        if error.errno == ENOTDIR:
            attacker.write_file(place, b"1")
        elif error.errno != ENOENT:
            raise
        return
    for parameter in parameters:
        attacker.write_file(f"{place}/parameters/{parameter}", b"1")
