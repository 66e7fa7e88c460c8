# SPDX-License-Identifier: GPL-2.0-only
"""Direct access to the handler's memory, registers and descriptors, which ptrace's check guards."""

from __future__ import annotations

from errno import EACCES, EBADF, ENOENT, EPERM, ESRCH
from functools import partial
from os import O_RDONLY, O_RDWR, O_WRONLY
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError, NoTarget
from harness.attacker.agent.tracee import PTRACE_O_SUSPEND_SECCOMP, PTRACE_SEIZE
from harness.attacker.tools.bpf import BpfObject
from harness.attacker.tools.early_tracer import EarlyTracer
from harness.attacker.tools.file_handle import name_to_handle_at, open_by_handle_at
from harness.attacker.tools.memory import expect_memory
from harness.model.variants import VARIANTS
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import NO_BLOB, on_debug
from harness.scenarios.registry import scenario
from harness.witness.evidence import CALL_RETURNED

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker, File
    from harness.witness.handler import Handler

NEED_NOT_BE_FIRST = {
    variant.name: "a debugger may attach at any time, so it need not attach before the mark"
    for variant in VARIANTS.values()
    if variant.debug
}

TRIES = 3
"""On a busy host a handler may exceed a deadline before its tracer has written to it."""

THREADS_MAX = "/proc/sys/kernel/threads-max"

FRAMED = on_debug(
    Verdict.TAMPERED, "a debugger may open the pipe, but the forged message has no valid frame"
)

by_proc_fd = partial(
    scenario,
    effect=Effect.INTEGRITY,
    surface="proc-fd-reopen-inject",
    answers=("C2", "R10"),
    call="openat",
    refused=(EPERM, EACCES),
    no_target=(ENOENT,),
    no_target_at="task_lookup_fdget_rcu",
    reach="security_ptrace_access_check",
    holes=FRAMED,
)


@scenario(
    effect=Effect.INTEGRITY,
    surface="ptrace-attach",
    answers=("C2", "T10"),
    call="ptrace",
    refused=(EPERM,),
    no_target=(EPERM,),
    reach="security_ptrace_access_check",
)
def ptrace_seize(attacker: Attacker, handler: Handler) -> None:
    """Attach with PTRACE_SEIZE and overwrite the reply as the handler enters write(2)."""
    with attacker.seize(handler.pid) as tracee:
        tracee.run_to_entry("write")
        tracee.poke(handler.symbol("reply"), b"\xff" * 8)


@scenario(
    effect=Effect.INTEGRITY,
    shows=CALL_RETURNED,
    surface="ptrace-suspend-seccomp",
    answers=("C1", "C2"),
    control="seccomp-filter",
    call="ptrace",
    refused=(EPERM,),
    no_target=(EPERM,),
    reach="security_ptrace_access_check",
)
def ptrace_suspend_seccomp(attacker: Attacker, handler: Handler) -> None:
    """Suspend the handler's filter with PTRACE_O_SUSPEND_SECCOMP and have it call dup(2)."""
    with attacker.seize(handler.pid, PTRACE_O_SUSPEND_SECCOMP) as tracee:
        tracee.run_to_entry("write")
        tracee.call_before("dup")


@scenario(
    effect=Effect.INTEGRITY,
    surface="ptrace-already-attached",
    answers=("T10", "C2"),
    reach="security_ptrace_access_check",
    target="start",
    not_applicable=NO_BLOB | NEED_NOT_BE_FIRST,
)
def ptrace_already_attached(attacker: Attacker, handler: Handler) -> None:
    """Attach to the next handler before it is marked, and overwrite its state when it serves.

    ptrace checks permission at the attach only.
    """
    tracer = EarlyTracer(attacker, handler.name, handler.symbol("chain"))
    for _ in range(TRIES):
        if not tracer.catch(handler.restart):
            return
        handler.wait_for_request()
        if tracer.poke():
            return
    raise NoTarget("its tracer could not write to it")


@scenario(
    effect=Effect.INTEGRITY,
    surface="proc-mem-write",
    answers=("C2", "T1"),
    call="openat",
    refused=(EPERM, EACCES),
    no_target=(ESRCH,),
    no_target_at="mm_access",
    reach="security_ptrace_access_check",
)
def proc_mem_write(attacker: Attacker, handler: Handler) -> None:
    """Overwrite the handler's state through /proc/<pid>/mem."""
    expect_memory(attacker, handler.pid)
    with attacker.open(f"/proc/{handler.pid}/mem", O_RDWR) as mem:
        mem.pwrite(b"\xff" * 32, handler.symbol("chain"))


@by_proc_fd()
def proc_fd_reopen_inject(attacker: Attacker, handler: Handler) -> None:
    """Write a forged reply to the handler's output pipe through /proc/<pid>/fd/1."""
    with attacker.open(f"/proc/{handler.pid}/fd/1", O_WRONLY) as pipe:
        handler.wait_for_request()  # by then the witness has counted the pipes' openers
        pipe.write(b"\xff" * handler.reply_size)


@by_proc_fd()
def proc_fd_steal_request(attacker: Attacker, handler: Handler) -> None:
    """Read a request from /proc/<pid>/fd/0 and write a changed one in its place."""
    with attacker.open(f"/proc/{handler.pid}/fd/0", O_RDWR) as pipe:
        request = pipe.read(handler.request_size)
        pipe.write(request[:-1] + bytes([request[-1] ^ 0xFF]))


@by_proc_fd(
    surface="proc-fd-request-inject",
)
def proc_fd_request_inject(attacker: Attacker, handler: Handler) -> None:
    """Write an extra request to /proc/<pid>/fd/0. Each later reply answers the request before."""
    with attacker.open(f"/proc/{handler.pid}/fd/0", O_WRONLY) as pipe:
        handler.wait_for_request()
        pipe.write(b"\xff" * handler.request_size)


@scenario(
    effect=Effect.INTEGRITY,
    surface="pidfd-getfd",
    answers=("C2", "R10"),
    call="pidfd_getfd",
    refused=(EPERM,),
    no_target=(EBADF,),
    no_target_at="security_ptrace_access_check",
    reach="security_ptrace_access_check",
    holes=FRAMED,
)
def pidfd_getfd_inject(attacker: Attacker, handler: Handler) -> None:
    """Copy the handler's descriptor 1 with pidfd_getfd(2) and write a forged reply to it."""
    with attacker.pidfd_open(handler.pid) as pidfd, attacker.pidfd_getfd(pidfd.fd, 1) as pipe:
        handler.wait_for_request()  # by then the witness has counted the pipes' openers
        pipe.write(b"\xff" * handler.reply_size)


@scenario(
    effect=Effect.INTEGRITY,
    surface="process-vm-writev",
    answers=("C2", "T10"),
    call="process_vm_writev",
    refused=(EPERM, EACCES),
    no_target=(ESRCH,),
    no_target_at="mm_access",
    reach="security_ptrace_access_check",
)
def process_vm_writev(attacker: Attacker, handler: Handler) -> None:
    """Overwrite the handler's state with process_vm_writev(2)."""
    attacker.process_vm_writev(handler.pid, handler.symbol("chain"), b"\xff" * 32)


@scenario(
    effect=Effect.CONFIDENTIALITY,
    surface="process-vm-writev",
    answers=("C2", "R16"),
    call="process_vm_readv",
    refused=(EPERM, EACCES),
    no_target=(ESRCH,),
    no_target_at="mm_access",
    reach="security_ptrace_access_check",
)
def process_vm_readv(attacker: Attacker, handler: Handler) -> None:
    """Read the secret from the handler's memory with process_vm_readv(2)."""
    attacker.show(attacker.process_vm_readv(handler.pid, handler.symbol("secret"), 32))


@by_proc_fd(
    surface="yama-style-read-hole",
)
def read_despite_yama(attacker: Attacker, handler: Handler) -> None:
    """Under a policy that denies only PTRACE_MODE_ATTACH, forge a reply in /proc/<pid>/fd/1.

    Yama is such a policy. Opening the pipe requires only PTRACE_MODE_READ.
    """
    BpfObject(attacker, "deny_attach")
    _expect_no_attach(attacker, handler.pid)
    with attacker.open(f"/proc/{handler.pid}/fd/1", O_WRONLY) as pipe:
        handler.wait_for_request()  # by then the witness has counted the pipes' openers
        pipe.write(b"\xff" * handler.reply_size)


def _expect_no_attach(attacker: Attacker, pid: int) -> None:
    try:
        attacker.ptrace(PTRACE_SEIZE, pid)
    except GuestError as error:
        if error.errno == EPERM:
            return
        raise
    raise LookupError("the policy deny_attach let the attacker attach")


_to_the_blob = partial(
    scenario,
    effect=Effect.INTEGRITY,
    answers=("R4", "C2"),
    reach="security_ptrace_access_check",
    holes=on_debug(
        Verdict.DISRUPTED,
        "the blob's mount is read-only, but the attempt keeps handlers from running",
    ),
)


@_to_the_blob(
    surface="proc-map-files",
    call="openat",
    refused=(EPERM, EACCES),
    no_target=(ENOENT, ESRCH),
    no_target_at="get_task_mm",
)
def proc_map_files(attacker: Attacker, handler: Handler) -> None:
    """Open the blob through /proc/<pid>/map_files and rewrite its code between two handlers."""
    mapped = f"/proc/{handler.pid}/map_files/{handler.first_mapping()}"
    with attacker.open(mapped, O_RDONLY) as blob:
        _rewrite(attacker, handler, lambda: attacker.open(f"/proc/self/fd/{blob.fd}", O_WRONLY))


@_to_the_blob(
    surface="open-by-handle-private-mount",
    call="openat",
    refused=(EPERM, EACCES),
    no_target=(ENOENT,),
    no_target_at="security_ptrace_access_check",
)
def open_by_handle(attacker: Attacker, handler: Handler) -> None:
    """Open the blob with open_by_handle_at(2) on its private mount and rewrite its code."""
    with attacker.open(f"/proc/{handler.pid}/exe", O_RDONLY) as kept:
        handle = name_to_handle_at(attacker, kept.fd)
        _rewrite(attacker, handler, lambda: open_by_handle_at(attacker, kept.fd, handle, O_WRONLY))


def _rewrite(attacker: Attacker, handler: Handler, reopen: Callable[[], File]) -> None:
    """Change the blob's round constants while no handler runs: a running blob is not writable."""
    with attacker.setup():
        limit = attacker.read_file(THREADS_MAX)
        attacker.write_file(THREADS_MAX, b"1")  # no new handler starts
    handler.restart()
    try:
        with reopen() as blob:
            blob.pwrite(bytes(8), handler.offset("sha_round"))
    finally:
        with attacker.setup():
            attacker.write_file(THREADS_MAX, limit)
