# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by BPF programs, which run in the handler's own context or in place of a hook."""

from __future__ import annotations

from errno import EACCES, EINVAL, EPERM
from functools import partial
from signal import SIGKILL
from typing import TYPE_CHECKING

from harness.attacker.agent.attacker import SECRET_SIZE
from harness.attacker.agent.errors import NoTarget
from harness.attacker.tools.bpf import BpfObject, u32, u64
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import NO_BLOB, on_both
from harness.scenarios.registry import scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

LOCKDOWN = "/sys/kernel/security/lockdown"

WRONG = b"\xff" * 32

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
    """Attach an object's programs, which must get to act at least once."""
    if not BpfObject(attacker, name, **constants).hits():
        raise NoTarget(missing)


@_bpf(
    surface="bpf-probe-write-user",
    lockdown={"bpf": EINVAL},
)
def bpf_probe_write_user(attacker: Attacker, handler: Handler) -> None:
    """Overwrite the handler's state from a BPF program that runs as it enters a system call."""
    tgid, address = u32(handler.pid), u64(handler.symbol("chain"))
    _act(attacker, "write_user", tgid=tgid, address=address, bytes=WRONG)


@_bpf(
    surface="bpf-probe-write-user",
    since="7.0",  # the function that sends work, with these arguments
    lockdown={"bpf": EINVAL},
)
def bpf_task_work(attacker: Attacker, handler: Handler) -> None:
    """Send the handler a part of a BPF program, to run in its context and overwrite its state."""
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
    """Silence the hooks where a security module could mark a new program; ours marks in none."""
    silence = BpfObject(attacker, "silence_void")
    handler.restart()
    if not silence.hits():
        raise NoTarget("nothing was executed")


@_bpf(
    surface="fmod-file-permission-reader",
    answers=("T1", "L5"),
)
def fmod_file_permission_handler(attacker: Attacker, handler: Handler) -> None:
    """Have the handler's read return a count and no data, so that it answers a request twice."""
    tgid, count = u32(handler.pid), u32(handler.request_size)
    _act(attacker, "stale_read", tgid=tgid, count=count)


@_bpf(
    effect=Effect.NONE,
    surface="fmod-file-permission-reader",
    answers=("T1", "L5"),
)
def fmod_file_permission_reader(attacker: Attacker, handler: Handler) -> None:
    """Have the kernel's read of a reply return a count and no data: ours asks no hook."""
    if BpfObject(attacker, "stale_reply", count=u32(handler.reply_size)).hits():
        raise LookupError("the kernel asked a hook about a pipe of its own")


@_bpf(
    surface="fmod-syscall-override-return",
    needs=("FUNCTION_ERROR_INJECTION",),
)
def fmod_syscall_return(attacker: Attacker, handler: Handler) -> None:
    """Have a BPF program take the place of the handler's read, and return a count and no data."""
    tgid, count = u32(handler.pid), u32(handler.request_size)
    _act(attacker, "stale_call", tgid=tgid, count=count)


@_bpf(
    surface="fmod-syscall-override-return",
    needs=("FUNCTION_ERROR_INJECTION", "BPF_KPROBE_OVERRIDE"),
)
def kprobe_override_return(attacker: Attacker, handler: Handler) -> None:
    """Have a kprobe override the handler's read, which then returns a count and no data."""
    tgid, count = u32(handler.pid), u32(handler.request_size)
    _act(attacker, "override_return", tgid=tgid, count=count)


@_bpf(
    effect=Effect.AVAILABILITY,
    surface="bpf-send-signal",
    answers=("T15", "C10"),
)
def bpf_send_signal(attacker: Attacker, handler: Handler) -> None:
    """Kill the handler from a BPF program that runs as it enters a system call."""
    _act(attacker, "send_signal", tgid=u32(handler.pid), number=u32(SIGKILL))


@_bpf(
    effect=Effect.CONFIDENTIALITY,
    surface="bpf-copy-from-user-task-iters",
    answers=("T1", "R16"),
    no_target_at="access_process_vm",
    debugging=True,
)
def bpf_read_task(attacker: Attacker, handler: Handler) -> None:
    """Read the secret out of the handler's memory from a BPF iterator over all processes."""
    tgid, address = u32(handler.pid), u64(handler.symbol("secret"))
    read_task = BpfObject(attacker, "read_task", tgid=tgid, address=address)
    if not read_task.hits():
        raise NoTarget("it has no user memory")
    attacker.show(read_task.taken(SECRET_SIZE))


@_bpf(
    effect=Effect.CONFIDENTIALITY,
    surface="bpf-copy-from-user-task-iters",
    answers=("T1", "R16"),
    since="6.12",  # the function that copies strings
)
def bpf_read_string(attacker: Attacker, handler: Handler) -> None:
    """Read the secret, byte by byte as strings, from a program that sleeps in the handler."""
    tgid, address = u32(handler.pid), u64(handler.symbol("secret"))
    read_string = BpfObject(attacker, "read_string", tgid=tgid, address=address)
    if not read_string.hits():
        raise NoTarget(NO_CALLS)
    attacker.show(read_string.taken(SECRET_SIZE))


@_bpf(
    surface="perf-hw-breakpoint",
    answers=("T1", "T3"),
    lockdown={"bpf": EINVAL},
)
def bpf_on_breakpoint(attacker: Attacker, handler: Handler) -> None:
    """Overwrite the handler's state when it comes to an instruction with a hardware breakpoint."""
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
    surface="sched-ext",
    answers=("L6", "R16"),
    needs=("SCHED_CLASS_EXT",),
    holes=on_both(Verdict.DISRUPTED, "a scheduler of root's own says who runs, threads included"),
)
def sched_ext(attacker: Attacker, handler: Handler) -> None:
    """Replace the scheduler by a BPF program that never lets the handler run."""
    _act(attacker, "starve", "it never wants to run", pid=u32(handler.pid))


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
    """Write to the handler from a BPF program under lockdown, past which another one lets it."""
    with attacker.setup():
        if b"[none]" in attacker.read_file(LOCKDOWN):
            attacker.write_file(LOCKDOWN, b"integrity")
    BpfObject(attacker, "unlock")
    bpf_probe_write_user(attacker, handler)
