# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by BPF programs that run in the handler's context or replace a hook's result."""

from __future__ import annotations

from errno import EACCES, EINVAL, EPERM
from functools import partial
from signal import SIGKILL
from typing import TYPE_CHECKING

from harness.attacker.agent.attacker import SECRET_SIZE
from harness.attacker.agent.errors import NoTarget
from harness.attacker.tools.bpf import BpfObject, u32, u64
from harness.attacker.tools.fuse import SilentFile
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import NO_BLOB, on_both
from harness.scenarios.registry import scenario
from harness.witness.latency import SLOW_NS

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

LOCKDOWN = "/sys/kernel/security/lockdown"

WRONG = b"\xff" * 32

STDOUT = 1
"""The descriptor of the handler's pipe to the kernel."""

DAWDLING_NS = SLOW_NS * 3 // 2
"""Long enough for a disruption, but shorter than the library's deadline for the handler."""

CALLER = b"umd_witness".ljust(16, b"\0")
"""The name of the kernel thread that sends the requests."""

HANDLERS = 5
"""How many handlers lose a message, at most."""

NO_CALLS = "it makes no system calls"
_bpf = partial(
    scenario,
    effect=Effect.INTEGRITY,
    answers=("T1", "C2"),
    call="bpf",
    refused=(EPERM, EACCES),
    reach="security_bpf_prog_load",
    target="system",
)


def _act(attacker: Attacker, name: str, missing: str = NO_CALLS, **constants: bytes) -> None:
    """Attach an object's programs. Raises NoTarget with `missing` if none of them ever acts."""
    if not BpfObject(attacker, name, **constants).hits():
        raise NoTarget(missing)


def _lose_message(attacker: Attacker, handler: Handler, name: str) -> None:
    """Have a read(2) of the handler return the length of a message without data.

    A handler that reads a file then, and not a message, may leave. The next handler is taken.
    """
    for _ in range(HANDLERS):
        _act(attacker, name, tgid=u32(handler.pid), count=u32(handler.request_size))
        handler.wait_for_reply()
        if handler.has_lied():
            return


@_bpf(
    surface="bpf-probe-write-user",
    lockdown={"bpf": EINVAL},
)
def bpf_probe_write_user(attacker: Attacker, handler: Handler) -> None:
    """Overwrite the handler's state with bpf_probe_write_user(), at its next system call."""
    tgid, address = u32(handler.pid), u64(handler.symbol("chain"))
    _act(attacker, "write_user", tgid=tgid, address=address, bytes=WRONG)


@_bpf(
    surface="bpf-probe-write-user",
    since="7.0",  # bpf_task_work_schedule_signal() with these arguments
    lockdown={"bpf": EINVAL},
)
def bpf_task_work(attacker: Attacker, handler: Handler) -> None:
    """Queue a BPF callback as task work of the handler. It overwrites the handler's state."""
    tgid, address = u32(handler.pid), u64(handler.symbol("chain"))
    missing = "it never returns to user space"
    _act(attacker, "task_work", missing, tgid=tgid, address=address, bytes=WRONG)


@_bpf(
    effect=Effect.NONE,
    surface="fmod-void-hook-suppression",
    answers=("L5", "C11"),
    reach="security_bprm_committed_creds",
    target="start",
    not_applicable=NO_BLOB,
)
def fmod_void_hook_suppression(attacker: Attacker, handler: Handler) -> None:
    """Skip void LSM hooks of exec by fmod_ret. Our module does not mark handlers in them."""
    silence = BpfObject(attacker, "silence_void")
    handler.restart()
    if not silence.hits():
        raise NoTarget("nothing was executed")


@_bpf(
    surface="fmod-file-permission-reader",
    answers=("T1", "L5"),
)
def fmod_file_permission_handler(attacker: Attacker, handler: Handler) -> None:
    """Return a count from security_file_permission() in the handler's read(2): no data arrives."""
    _lose_message(attacker, handler, "stale_read")


@_bpf(
    effect=Effect.NONE,
    surface="fmod-file-permission-reader",
    answers=("T1", "L5"),
)
def fmod_file_permission_reader(attacker: Attacker, handler: Handler) -> None:
    """Return a count from security_file_permission() to the kernel. Its own read calls no hook."""
    if BpfObject(attacker, "stale_reply", count=u32(handler.reply_size)).hits():
        raise LookupError("the kernel called security_file_permission() on its own pipe")


@_bpf(
    surface="fmod-syscall-override-return",
    needs=("FUNCTION_ERROR_INJECTION",),
)
def fmod_syscall_return(attacker: Attacker, handler: Handler) -> None:
    """Replace the handler's read(2) by fmod_ret. It returns a count, but no data arrives."""
    _lose_message(attacker, handler, "stale_call")


@_bpf(
    surface="fmod-syscall-override-return",
    needs=("FUNCTION_ERROR_INJECTION", "BPF_KPROBE_OVERRIDE"),
)
def kprobe_override_return(attacker: Attacker, handler: Handler) -> None:
    """Replace the handler's read(2) by bpf_override_return(). It returns a count but no data."""
    _lose_message(attacker, handler, "override_return")


@_bpf(
    effect=Effect.AVAILABILITY,
    surface="bpf-send-signal",
    answers=("T15", "C10"),
)
def bpf_send_signal(attacker: Attacker, handler: Handler) -> None:
    """Kill the handler with bpf_send_signal(), from a BPF program at its next system call."""
    _act(attacker, "send_signal", tgid=u32(handler.pid), number=u32(SIGKILL))


@_bpf(
    effect=Effect.CONFIDENTIALITY,
    surface="bpf-copy-from-user-task-iters",
    answers=("T1", "R16"),
    no_target_at="access_process_vm",
    debugging=True,
)
def bpf_read_task(attacker: Attacker, handler: Handler) -> None:
    """Read the secret with bpf_copy_from_user_task() in a BPF iterator over all tasks."""
    tgid, address = u32(handler.pid), u64(handler.symbol("secret"))
    read_task = BpfObject(attacker, "read_task", tgid=tgid, address=address)
    if not read_task.hits():
        raise NoTarget("it has no user memory")
    attacker.show(read_task.taken(SECRET_SIZE))


@_bpf(
    effect=Effect.CONFIDENTIALITY,
    surface="bpf-copy-from-user-task-iters",
    answers=("T1", "R16"),
    since="6.12",  # bpf_copy_from_user_str()
)
def bpf_read_string(attacker: Attacker, handler: Handler) -> None:
    """Read the secret with bpf_copy_from_user_str() in a BPF program on the handler's write(2)."""
    tgid, address = u32(handler.pid), u64(handler.symbol("secret"))
    read_string = BpfObject(attacker, "read_string", tgid=tgid, address=address)
    if not read_string.hits():
        raise NoTarget(NO_CALLS)
    attacker.show(read_string.taken(SECRET_SIZE))


@_bpf(
    effect=Effect.CONFIDENTIALITY,
    surface="bpf-read-lazily",
    answers=("T1", "R16"),
    needs=("MEMCG",),
)
def bpf_read_lazily(attacker: Attacker, handler: Handler) -> None:
    """Read the secret with bpf_snprintf() in a thread of the kernel that runs after the handler.

    Such a thread keeps the page table of the process that ran before it on the CPU.
    """
    tgid, address = u32(handler.pid), u64(handler.symbol("secret"))
    read_lazily = BpfObject(attacker, "read_lazily", tgid=tgid, address=address)
    if not read_lazily.hits():
        raise NoTarget("no thread has its page table")
    attacker.show(read_lazily.taken(SECRET_SIZE))


@_bpf(
    surface="perf-hw-breakpoint",
    answers=("T1", "T3"),
    lockdown={"bpf": EINVAL},
)
def bpf_on_breakpoint(attacker: Attacker, handler: Handler) -> None:
    """Overwrite the handler's state from a BPF program on a hardware breakpoint in its code."""
    _act(
        attacker,
        "breakpoint",
        "it never comes to that instruction",
        tgid=u32(handler.pid),
        breakpoint=u64(handler.symbol("read")),
        address=u64(handler.symbol("chain")),
        bytes=WRONG,
    )


@_bpf(
    effect=Effect.AVAILABILITY,
    surface="bpf-observer-dawdles",
    answers=("L6", "R16"),
    cpus=2,
    holes=on_both(
        Verdict.DISRUPTED,
        "a program that observes takes as long as root likes, in a kernel thread as well",
    ),
)
def bpf_observer_dawdles(attacker: Attacker, handler: Handler) -> None:
    """Have a BPF program on schedule() loop for 1.5 s in the handler's context (fentry, bpf_loop).

    Two nested loops may last for hours. The attack ends them, so that the cell takes seconds.
    """
    _act(
        attacker,
        "dawdle_observer",
        "it never sleeps",
        tgid=u32(handler.pid),
        nanoseconds=u64(DAWDLING_NS),
    )
    handler.let_pass(DAWDLING_NS)
    handler.wait_for_request()


_sleeps = partial(
    _bpf,
    effect=Effect.AVAILABILITY,
    surface="bpf-sleeps-in-its-call",
    answers=("L6", "R16"),
)


def _sleep(attacker: Attacker, handler: Handler, name: str) -> None:
    """Have an object's program read a page of a process whose file system does not answer."""
    file = SilentFile(attacker)
    _act(attacker, name, tgid=u32(handler.pid), owner=u32(file.owner), address=u64(file.address))
    handler.wait_for_failure()
    file.end()


@_sleeps(
    since="6.2",  # bpf_task_from_pid()
    needs=("FUNCTION_ERROR_INJECTION", "FUSE_FS"),
)
def bpf_sleeps_on_page(attacker: Attacker, handler: Handler) -> None:
    """Put the handler to sleep: a BPF program on its read(2) reads a FUSE page."""
    _sleep(attacker, handler, "sleep_in_call")


@_sleeps(
    since="7.2",  # tracepoint_is_faultable() in the check of a BPF program
    needs=("FUSE_FS",),
)
def bpf_sleeps_at_tracepoint(attacker: Attacker, handler: Handler) -> None:
    """Put the handler to sleep: a BPF program on the tracepoint sys_enter reads a FUSE page."""
    _sleep(attacker, handler, "sleep_at_tracepoint")


@_sleeps(
    since="7.0",  # as bpf_task_work
    needs=("FUSE_FS",),
)
def bpf_sleeps_in_task_work(attacker: Attacker, handler: Handler) -> None:
    """Put the handler to sleep: a BPF callback, run as its task work, reads a FUSE page."""
    _sleep(attacker, handler, "sleep_in_task_work")


@_sleeps(
    since="6.2",  # as bpf_sleeps_on_page
    cpus=2,
    target="start",
    debugging=True,
    needs=("FUNCTION_ERROR_INJECTION", "FUSE_FS"),
)
def bpf_sleeps_with_vma(attacker: Attacker, handler: Handler) -> None:
    """Keep the next handler from starting: a BPF program sleeps while it holds the mmap_lock.

    bpf_find_vma() takes the lock of the new handler, and its callback reads a FUSE page.
    """
    with attacker.setup():
        attacker.spawn(attacker.payload("call_often"))
    file = SilentFile(attacker)
    page = {"owner": u32(file.owner), "address": u64(file.address)}
    BpfObject(attacker, "sleep_with_vma", code=u64(handler.symbol("read")), **page)
    handler.restart()
    file.end()


@_bpf(
    shows="pipes",
    surface="bpf-iter-holds-files",
    answers=("T1", "C2", "R16"),
    since="6.2",  # as bpf_sleeps_on_page
    debugging=True,
    needs=("FUSE_FS",),
)
def bpf_iterator_holds_pipe(attacker: Attacker, handler: Handler) -> None:
    """Hold the handler's end of a pipe: a BPF iterator over open files sleeps at it (FUSE page)."""
    file = SilentFile(attacker)
    page = {"owner": u32(file.owner), "address": u64(file.address)}
    tgid, number = u32(handler.pid), u32(STDOUT)
    _act(attacker, "sleep_at_file", "it has no such file", tgid=tgid, number=number, **page)
    handler.wait_for_request()
    file.end()


@_bpf(
    effect=Effect.AVAILABILITY,
    surface="sched-ext",
    answers=("L6", "R16"),
    needs=("SCHED_CLASS_EXT",),
    holes=on_both(
        Verdict.DISRUPTED, "sched_ext gives root control of the scheduler, for kernel threads too"
    ),
)
def sched_ext(attacker: Attacker, handler: Handler) -> None:
    """Load a sched_ext scheduler that never runs the handler."""
    _act(attacker, "starve", "it never wants to run", pid=u32(handler.pid))


@_bpf(
    effect=Effect.AVAILABILITY,
    surface="caller-failnth-desync",
    answers=("L6", "C14"),
    needs=("FUNCTION_ERROR_INJECTION",),
)
def fmod_failslab_caller(attacker: Attacker, handler: Handler) -> None:
    """Fail the allocations of the kernel's caller by fmod_ret. No request reaches the handler."""
    fail = BpfObject(attacker, "fail_slab", whom=CALLER)
    handler.let_pass(SLOW_NS)
    fail.end()
    handler.wait_for_request()


@scenario(
    effect=Effect.INTEGRITY,
    surface="fmod-locked-down-bypass",
    answers=("C15", "L5"),
    call="bpf",
    refused=(EPERM, EACCES),
    reach="security_bpf_prog_load",
    target="system",
)
def fmod_locked_down_bypass(attacker: Attacker, handler: Handler) -> None:
    """Override security_locked_down() by fmod_ret, then write the handler's state with BPF."""
    with attacker.setup():
        if b"[none]" in attacker.read_file(LOCKDOWN):
            attacker.write_file(LOCKDOWN, b"integrity")
    BpfObject(attacker, "unlock")
    bpf_probe_write_user(attacker, handler)
