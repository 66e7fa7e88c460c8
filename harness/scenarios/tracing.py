# SPDX-License-Identifier: GPL-2.0-only
"""Attacks with the kernel's own instruments: perf events, uprobes and BPF."""

from __future__ import annotations

from errno import EACCES, ENOENT, EPERM
from os import O_WRONLY
from typing import TYPE_CHECKING

from harness.attacker.bpf import BpfObject
from harness.attacker.errors import NoTarget
from harness.attacker.perf import PERF_SAMPLE_STACK_USER, REMOVE_ON_EXEC, SIGTRAP, PerfEvent
from harness.scenarios.holes import on_isolated
from harness.scenarios.registry import scenario
from harness.witness.verdict import Effect, Verdict

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.handler import Handler

TRACING = "/sys/kernel/tracing"
SECRET_SIZE = 32
ALIGNMENT = 8
LOOKS = 5

PERFMON = "with CAP_PERFMON, perf asks perf_event_alloc alone, which our LSM lets pass"


@scenario(
    effect=Effect.AVAILABILITY,
    surface="perf-sigtrap",
    answers=("T1", "T15", "C10"),
    call="perf_event_open",
    refused=(EACCES, EPERM),
    reach="perf_event_alloc",
    holes=on_isolated(Verdict.DISRUPTED, PERFMON),
)
def perf_sigtrap(attacker: Attacker, handler: Handler) -> None:
    """Have perf send the handler a SIGTRAP, which no hook sees, when it next sleeps."""
    PerfEvent(attacker, handler.pid, flags=SIGTRAP | REMOVE_ON_EXEC)
    handler.wait_for_request()


@scenario(
    effect=Effect.CONFIDENTIALITY,
    surface="perf-sample-stack",
    answers=("T1", "R16"),
    call="perf_event_open",
    refused=(EACCES, EPERM),
    reach="perf_event_alloc",
    no_target_at="perf_event_alloc",
    holes=on_isolated(Verdict.LEAKED, PERFMON),
)
def perf_sample_stack(attacker: Attacker, handler: Handler) -> None:
    """Read the secret off the handler's stack, which perf samples whenever it sleeps."""
    event = PerfEvent(attacker, handler.pid, sample=PERF_SAMPLE_STACK_USER)
    event.map_ring()
    stacks: list[bytes] = []
    for _ in range(LOOKS):
        handler.wait_for_request()
        stacks = event.stacks()
        if any(stacks):
            break
    else:
        raise NoTarget("its samples carry no user stack")
    for stack in stacks:
        for at in range(0, len(stack) - SECRET_SIZE + 1, ALIGNMENT):
            attacker.show(stack[at : at + SECRET_SIZE])


@scenario(
    effect=Effect.INTEGRITY,
    shows="image",
    surface="uprobe-on-blob",
    answers=("T1", "C2"),
    call="write",
    refused=(EACCES, EPERM),
    no_target=(ENOENT,),
    no_target_at="security_ptrace_access_check",
    reach="security_ptrace_access_check",
)
def uprobe_on_image(attacker: Attacker, handler: Handler) -> None:
    """Put a breakpoint into the handler's code: a uprobe on the blob, by way of /proc/<pid>/exe."""
    place = f"/proc/{handler.pid}/exe:{handler.offset('read'):#x}"
    with attacker.open(f"{TRACING}/uprobe_events", O_WRONLY) as events:
        events.write(f"p:cell/read {place}\n".encode())
    with attacker.setup():
        attacker.write_file(f"{TRACING}/events/cell/read/enable", b"1")


@scenario(
    effect=Effect.INTEGRITY,
    surface="bpf-probe-write-user",
    answers=("T1", "C2"),
    call="bpf",
    refused=(EPERM, EACCES),
    holes=on_isolated(
        Verdict.TAMPERED,
        "no hook sees it: the program writes in the handler's own context; lockdown closes it",
    ),
)
def bpf_probe_write_user(attacker: Attacker, handler: Handler) -> None:
    """Overwrite the handler's state from a BPF program that runs as it enters a system call."""
    write_user = BpfObject(
        attacker,
        "write_user",
        tgid=handler.pid.to_bytes(4, "little"),
        address=handler.symbol("chain").to_bytes(8, "little"),
        bytes=b"\xff" * 32,
    )
    if not write_user.hits():
        raise NoTarget("it makes no system calls")
