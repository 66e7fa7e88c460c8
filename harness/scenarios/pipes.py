# SPDX-License-Identifier: GPL-2.0-only
"""More attacks on the handler's pipes, to which root gets by ptrace's check."""

from __future__ import annotations

import struct
from errno import EBADF, EPERM
from fcntl import F_SETFL, F_SETPIPE_SZ
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE
from os import O_NONBLOCK, O_RDONLY, O_WRONLY, SCHED_FIFO
from typing import TYPE_CHECKING

from harness.attacker.tools.pagemap import PAGE
from harness.model.verdict import Effect
from harness.scenarios.direct import by_proc_fd
from harness.scenarios.registry import scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

FAN_CLASS_CONTENT = 4
FAN_MARK_ADD = 1
FAN_ACCESS_PERM = 0x20000
AT_FDCWD = -100

REQUEST_NUMBER = struct.Struct("<4xI")
"""The number of a request in struct witness_message (overlay/kernel/umd_witness/message.h)."""
FRAME_MAGIC, FRAME_SIZE = b"UMDF", 24
"""The head of struct umd_frame (overlay/include/uapi/linux/umd.h), which may precede a message."""


@by_proc_fd(
    effect=Effect.INTEGRITY,
    surface="proc-fd-vmsplice",
)
def proc_fd_vmsplice(attacker: Attacker, handler: Handler) -> None:
    """Add a page to /proc/<pid>/fd/1 by vmsplice(2) and change it while it is in the pipe."""
    with attacker.setup():
        access, kind = PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS
        page = attacker.syscall("mmap", 0, PAGE, access, kind, -1, 0)
    piece = struct.pack("<2Q", page, handler.reply_size)
    with attacker.open(f"/proc/{handler.pid}/fd/1", O_WRONLY) as pipe:
        handler.wait_for_request()
        attacker.syscall("vmsplice", pipe.fd, piece, 1, 0)
        attacker.syscall("getrandom", page, handler.reply_size, 0)


@by_proc_fd(
    effect=Effect.INTEGRITY,
    also=(Effect.STEP,),
    shows="pipes",
    surface="proc-fd-vmsplice",
)
def proc_fd_tee(attacker: Attacker, handler: Handler) -> None:
    """Copy a request from /proc/<pid>/fd/0 by tee(2). The handler still gets the request."""
    with attacker.setup():
        copied, into = attacker.pipe()
        attacker.sched_setscheduler(0, SCHED_FIFO, 1)  # or the handler reads the request first
    first = max(handler.requests())
    with attacker.open(f"/proc/{handler.pid}/fd/0", O_RDONLY) as pipe:
        attacker.syscall("tee", pipe.fd, into.fd, FRAME_SIZE + handler.request_size, 0)
        handler.wait_for_request()
    copy = copied.read(FRAME_SIZE + handler.request_size)
    number = REQUEST_NUMBER.unpack_from(copy, FRAME_SIZE * copy.startswith(FRAME_MAGIC))[0]
    attacker.gain("a request", first <= number <= max(handler.requests()), truth=True)


@by_proc_fd(
    effect=Effect.INTEGRITY,
    shows="pipes",
    surface="proc-fd-setpipe-sz",
)
def proc_fd_setpipe_sz(attacker: Attacker, handler: Handler) -> None:
    """Hold /proc/<pid>/fd/0 open and shrink the pipe to one page by F_SETPIPE_SZ."""
    with attacker.open(f"/proc/{handler.pid}/fd/0", O_RDONLY) as pipe:
        attacker.fcntl(pipe.fd, F_SETPIPE_SZ, PAGE)
        handler.wait_for_request()


@by_proc_fd(
    effect=Effect.AVAILABILITY,
    also=(Effect.INTEGRITY,),
    shows="pipes",
    surface="proc-fd-setpipe-sz",
)
def proc_fd_splice_lock(attacker: Attacker, handler: Handler) -> None:
    """Splice from an idle terminal to /proc/<pid>/fd/0. splice(2) holds the pipe's lock."""
    with attacker.setup():
        hold = attacker.payload("hold_pipe")
    with attacker.open(f"/proc/{handler.pid}/fd/0", O_WRONLY) as pipe:
        handler.wait_for_request()
        attacker.spawn(hold, stdout=pipe.fd)
    handler.wait_for_request()


@scenario(
    effect=Effect.AVAILABILITY,
    also=(Effect.INTEGRITY,),
    shows="pipes",
    surface="pidfd-getfd",
    answers=("C2", "R10"),
    call="pidfd_getfd",
    refused=(EPERM,),
    no_target=(EBADF,),
    no_target_at="security_ptrace_access_check",
    reach="security_ptrace_access_check",
)
def pidfd_getfd_nonblock(attacker: Attacker, handler: Handler) -> None:
    """Copy the handler's descriptor 0 by pidfd_getfd(2) and set O_NONBLOCK on the pipe."""
    with attacker.pidfd_open(handler.pid) as pidfd, attacker.pidfd_getfd(pidfd.fd, 0) as pipe:
        handler.wait_for_request()
        attacker.fcntl(pipe.fd, F_SETFL, O_NONBLOCK)
        handler.wait_for_request()


@by_proc_fd(
    effect=Effect.NONE,
    surface="fanotify-pipe-perm",
    call="fanotify_mark",
    holes={},
    # Debian's kernel taints itself for the mark; 7.2 has one function for all taints.
    passes=("add_taint_module",),
)
def fanotify_pipe_perm(attacker: Attacker, handler: Handler) -> None:
    """Mark /proc/<pid>/fd/0 with FAN_ACCESS_PERM. fanotify sends no such event for a pipe."""
    with attacker.setup():
        group = attacker.syscall("fanotify_init", FAN_CLASS_CONTENT, O_RDONLY)
    pipe = f"/proc/{handler.pid}/fd/0"
    attacker.syscall("fanotify_mark", group, FAN_MARK_ADD, FAN_ACCESS_PERM, AT_FDCWD, pipe)
    handler.wait_for_request()
