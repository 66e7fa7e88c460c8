# SPDX-License-Identifier: GPL-2.0-only
"""Direct access to the handler's memory, registers and descriptors, all behind ptrace's check."""

from __future__ import annotations

from errno import EACCES, EBADF, ENOENT, EPERM, ESRCH
from functools import partial
from os import O_RDWR, O_WRONLY
from typing import TYPE_CHECKING

from harness.scenarios.registry import scenario
from harness.witness.verdict import Effect

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.handler import Handler


_by_proc_fd = partial(
    scenario,
    effect=Effect.INTEGRITY,
    surface="proc-fd-reopen-inject",
    answers=("C2", "R10"),
    call="openat",
    refused=(EPERM, EACCES),
    no_target=(ENOENT,),
    no_target_at="task_lookup_fdget_rcu",
    reach="security_ptrace_access_check",
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
    """Seize the handler and rewrite its reply as it writes it to the kernel."""
    with attacker.seize(handler.pid) as tracee:
        tracee.run_to_entry("write")
        tracee.poke(handler.symbol("reply"), b"\xff" * 8)


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
    with attacker.open(f"/proc/{handler.pid}/mem", O_RDWR) as mem:
        mem.pwrite(b"\xff" * 32, handler.symbol("chain"))


@_by_proc_fd()
def proc_fd_reopen_inject(attacker: Attacker, handler: Handler) -> None:
    """Put a forged reply into the pipe that the kernel reads, through /proc/<pid>/fd/1."""
    with attacker.open(f"/proc/{handler.pid}/fd/1", O_WRONLY) as pipe:
        pipe.write(b"\xff" * handler.reply_size)


@_by_proc_fd()
def proc_fd_steal_request(attacker: Attacker, handler: Handler) -> None:
    """Take a request out of the handler's pipe, through /proc/<pid>/fd/0, and put in another."""
    with attacker.open(f"/proc/{handler.pid}/fd/0", O_RDWR) as pipe:
        request = pipe.read(handler.request_size)
        pipe.write(request[:-1] + bytes([request[-1] ^ 0xFF]))


@scenario(
    effect=Effect.INTEGRITY,
    surface="pidfd-getfd",
    answers=("C2", "R10"),
    call="pidfd_getfd",
    refused=(EPERM,),
    no_target=(EBADF,),
    no_target_at="security_ptrace_access_check",
    reach="security_ptrace_access_check",
)
def pidfd_getfd_inject(attacker: Attacker, handler: Handler) -> None:
    """Take a copy of the handler's own descriptor, and put a forged reply into its pipe."""
    with attacker.pidfd_open(handler.pid) as pidfd, attacker.pidfd_getfd(pidfd.fd, 1) as pipe:
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
    """Overwrite the handler's state from another process's memory."""
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
    """Read the secret that only the handler holds."""
    attacker.show(attacker.process_vm_readv(handler.pid, handler.symbol("secret"), 32))
