# SPDX-License-Identifier: GPL-2.0-only
"""Reads of the handler's state that take PTRACE_MODE_READ, in some files PTRACE_MODE_ATTACH."""

from __future__ import annotations

import struct
from errno import EACCES, EBADF, EPERM, ESRCH
from functools import partial
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import NoTarget
from harness.attacker.tools.memory import expect_memory
from harness.attacker.tools.pagemap import PAGE, PAGE_IS_PRESENT, page_frame, scan
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import on_kthread
from harness.scenarios.registry import scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

KCMP_FILE = 0
CLONE_NEWUTS = 0x04000000
PIDFD_GET_UTS_NAMESPACE = 0xFF0A
AT_ENTRY = 9
LOOKS = 100
"""How often to look for a handler that sleeps. Mostly it sleeps."""

WAITS_IN = (b"pipe_read", b"umd_witness_receive")
"""The kernel functions in which a process and a kernel thread wait for their next request."""

SEEN_ALIKE = on_kthread(Verdict.HELD, "root passes ptrace's check for a kernel thread")

_look = partial(
    scenario,
    effect=Effect.STEP,
    answers=("C2", "R16"),
    reach="security_ptrace_access_check",
)

_by_memory = partial(
    _look,
    call="openat",
    refused=(EPERM, EACCES),
    no_target=(ESRCH,),
    no_target_at="mm_access",
)

_by_trace = partial(
    _look,
    surface="proc-stack-syscall-personality",
    call="read",
    refused=(EPERM,),
    no_target_at="security_ptrace_access_check",
)


@_look(
    surface="kcmp",
    call="kcmp",
    refused=(EPERM,),
    no_target=(EBADF,),
    no_target_at="security_ptrace_access_check",
)
def kcmp(attacker: Attacker, handler: Handler) -> None:
    """Compare the handler's descriptors 0 and 1 with kcmp(2). They are two pipes."""
    order = attacker.syscall("kcmp", handler.pid, handler.pid, KCMP_FILE, 0, 1)
    attacker.gain("that it has two pipes", order != 0, truth=True)


@_look(
    effect=Effect.NONE,
    surface="pidfd-ns-setns",
    call="setns",
    refused=(EPERM,),
)
def setns_pidfd(attacker: Attacker, handler: Handler) -> None:
    """Enter the handler's UTS namespace with setns(2). It is the initial namespace."""
    with attacker.pidfd_open(handler.pid) as pidfd:
        attacker.syscall("setns", pidfd.fd, CLONE_NEWUTS)


@_look(
    effect=Effect.NONE,
    surface="pidfd-ns-setns",
    call="ioctl",
    refused=(EACCES,),
    since="6.11",
)
def pidfd_get_namespace(attacker: Attacker, handler: Handler) -> None:
    """Get the handler's UTS namespace, the initial namespace, with PIDFD_GET_UTS_NAMESPACE."""
    with attacker.pidfd_open(handler.pid) as pidfd:
        attacker.close(attacker.syscall("ioctl", pidfd.fd, PIDFD_GET_UTS_NAMESPACE, 0))


@_look(
    surface="get-robust-list",
    call="get_robust_list",
    refused=(EPERM,),
    holes=SEEN_ALIKE,
)
def get_robust_list(attacker: Attacker, handler: Handler) -> None:
    """Get the address of the handler's robust futexes with get_robust_list(2). There are none."""
    head, size = bytearray(8), bytearray(8)
    attacker.syscall("get_robust_list", handler.pid, head, size)
    attacker.gain("that it has no robust futexes", int.from_bytes(head, "little"), truth=0)


@_by_memory(
    surface="pagemap-pagemap-scan",
)
def pagemap(attacker: Attacker, handler: Handler) -> None:
    """Read the page frame of the secret from /proc/<pid>/pagemap."""
    expect_memory(attacker, handler.pid)
    frame = page_frame(attacker, handler.pid, handler.symbol("secret"))
    attacker.gain("the secret's page frame", frame, truth=handler.physical("secret") // PAGE)


@_by_memory(
    surface="pagemap-pagemap-scan",
    since="6.7",
)
def pagemap_scan(attacker: Attacker, handler: Handler) -> None:
    """Find the handler's present pages with the PAGEMAP_SCAN ioctl."""
    page = handler.symbol("secret") & -PAGE
    found = scan(attacker, handler.pid, page, page + PAGE, PAGE_IS_PRESENT)
    attacker.gain("that the secret is in memory", found, truth=(page, page + PAGE))


_by_proc = partial(_by_memory, surface="proc-maps-smaps-numa-maps-environ-auxv-io-wchan")


@_by_proc()
def proc_maps(attacker: Attacker, handler: Handler) -> None:
    """Read the address of the handler's code from /proc/<pid>/maps, smaps and numa_maps."""
    expect_memory(attacker, handler.pid)
    code = handler.symbol("_start") & -PAGE
    for name in ("maps", "smaps", "numa_maps"):
        lines = attacker.read_file(f"/proc/{handler.pid}/{name}").splitlines()
        starts = {line.split(b"-")[0].split()[0] for line in lines}
        if lines:
            attacker.gain(
                f"its code's address from {name}", f"{code:08x}".encode() in starts, truth=True
            )
    if not attacker.gained:  # Linux 6.12 opens these files of a kernel thread, and refuses auxv
        raise NoTarget("it has no memory")


@_by_proc()
def proc_auxv(attacker: Attacker, handler: Handler) -> None:
    """Read the handler's entry point from /proc/<pid>/auxv."""
    expect_memory(attacker, handler.pid)
    words = attacker.read_file(f"/proc/{handler.pid}/auxv")
    vector = dict(struct.iter_unpack("<2Q", words))
    attacker.gain("its entry point", vector[AT_ENTRY], truth=handler.symbol("_start"))


@_by_proc()
def proc_environ(attacker: Attacker, handler: Handler) -> None:
    """Read the handler's environment from /proc/<pid>/environ. It is empty."""
    expect_memory(attacker, handler.pid)
    environment = attacker.read_file(f"/proc/{handler.pid}/environ")
    attacker.gain("its environment", environment, truth=b"")


@_look(
    surface="proc-maps-smaps-numa-maps-environ-auxv-io-wchan",
    holes=SEEN_ALIKE,
)
def proc_wchan(attacker: Attacker, handler: Handler) -> None:
    """Read from /proc/<pid>/wchan whether the handler sleeps, and in which kernel function."""
    for _ in range(LOOKS):
        if attacker.read_file(f"/proc/{handler.pid}/wchan") != b"0":  # 0 without permission, too
            attacker.gain("that it waits", True, truth=True)
            break


@_by_trace()
def proc_syscall(attacker: Attacker, handler: Handler) -> None:
    """Read the handler's current system call and its arguments from /proc/<pid>/syscall."""
    for _ in range(LOOKS):
        words = attacker.read_file(f"/proc/{handler.pid}/syscall").split()
        if len(words) > 1:
            break
    else:
        raise LookupError("the handler never slept in a system call")
    call, _, buffer, *_ = (int(word, 0) for word in words)
    if not buffer:
        raise NoTarget("it makes no system calls")
    # The handler may read a frame's header first, which holds the length of the request.
    places = {handler.symbol("request"), handler.symbol("outer")}
    attacker.gain("where it reads to", call == 0, truth=buffer in places)


@_by_trace(
    holes=SEEN_ALIKE,
)
def proc_stack(attacker: Attacker, handler: Handler) -> None:
    """Read the handler's kernel stack from /proc/<pid>/stack."""
    if _shows(attacker, f"/proc/{handler.pid}/stack", WAITS_IN):
        attacker.gain("its kernel stack", True, truth=True)


@_by_trace(
    holes=SEEN_ALIKE,
)
def proc_personality(attacker: Attacker, handler: Handler) -> None:
    """Read the handler's execution domain from /proc/<pid>/personality."""
    text = attacker.read_file(f"/proc/{handler.pid}/personality")
    attacker.gain("its personality", int(text, 16), truth=0)


def _shows(attacker: Attacker, path: str, names: tuple[bytes, ...]) -> bool:
    """Whether a file names one of these functions in any of several reads."""
    looks = (attacker.read_file(path) for _ in range(LOOKS))
    return any(name in text for text in looks for name in names)
