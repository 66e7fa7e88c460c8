# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by perf events, probes, tracepoints, live patches, user events, rseq and io_uring."""

from __future__ import annotations

import re
import struct
from errno import EACCES, ENOENT, EPERM
from functools import partial
from itertools import islice
from os import O_RDONLY, O_RDWR
from typing import TYPE_CHECKING

from harness.attacker.agent.attacker import SECRET_SIZE
from harness.attacker.agent.errors import GuestError, NoTarget
from harness.attacker.tools.capabilities import CAP_PERFMON, CAP_SYS_ADMIN, lower
from harness.attacker.tools.pagemap import PAGE
from harness.attacker.tools.perf import (
    DISABLED,
    EXCLUDE_CALLCHAIN_KERNEL,
    EXCLUDE_KERNEL,
    MMAP,
    MMAP_DATA,
    PERF_SAMPLE_CALLCHAIN,
    PERF_SAMPLE_REGS_USER,
    PERF_SAMPLE_STACK_USER,
    PERF_SAMPLE_TID,
    REGISTER_SI,
    REMOVE_ON_EXEC,
    SIGTRAP,
    PerfEvent,
)
from harness.attacker.tools.tracefs import TRACING, define, fetch, fetched, recorded, switch_on
from harness.model.verdict import Effect, Verdict
from harness.scenarios.direct import FRAMED
from harness.scenarios.holes import on_both, on_debug, on_isolated, on_kthread
from harness.scenarios.registry import scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

NUMBER = struct.Struct("<i")
LOOKS = 5

PERFMON = "with CAP_PERFMON only the hook perf_event_alloc is called, which allows kernel threads"
EVENTS_ALIKE = "a kernel thread can have perf events"
PROBES = "no hook is called with the task that a probe reads; lockdown=confidentiality closes it"

MESSAGE_BODY = 24
"""The offset of the body in struct witness_message (overlay/kernel/umd_witness/message.h)."""
START = 1
"""The kind of message whose body is the secret."""

_READS = re.compile(r"NR 0 \(0, ([0-9a-f]+), ")
"""A line of the trace for the system call read(0, ...)."""

PAGES = 512
"""Pages to look for: more than a handler has, and few if the guest forges a mapping."""

BY_CHANCE = range(0x7000_0000_0000, 1 << 47)
"""Where stacks and the vDSO lie on x86-64. The kernel chooses their addresses at random."""

_RETURNS_TO = re.compile(r"^ =>.*<([0-9a-f]{16})>$", re.MULTILINE)
"""A line of the trace with an address of a user stack."""

USER_EVENTS = "/sys/kernel/tracing/user_events_data"
LIVEPATCH = "/lib/modules/livepatch_sample.ko"
PATCHED = b"this has been live patched\n"

NO_SIGNAL = "a debugger may open the event, but perf's signal does not reach the handler"
NO_PROBES = "a debugger may open the event, but its samples hold none of the handler's memory"

_perf = partial(
    scenario,
    effect=Effect.INTEGRITY,
    shows="perf",
    call="perf_event_open",
    refused=(EACCES, EPERM),
    reach="perf_event_alloc",
)


@_perf(
    surface="perf-bypasses-ptrace",
    answers=("T1", "L5"),
    holes=on_kthread(Verdict.TAMPERED, PERFMON),
    debugging=True,
)
def perf_count(attacker: Attacker, handler: Handler) -> None:
    """Count the handler's context switches by perf. With CAP_PERFMON perf skips ptrace's check."""
    PerfEvent(attacker, handler.pid)
    handler.wait_for_request()


@_perf(
    surface="perf-bypasses-ptrace",
    answers=("T1", "C2"),
    holes=on_kthread(Verdict.TAMPERED, EVENTS_ALIKE),
    debugging=True,
)
def perf_count_without_perfmon(attacker: Attacker, handler: Handler) -> None:
    """Count the handler's context switches by perf, without CAP_PERFMON."""
    lower(attacker, CAP_PERFMON, CAP_SYS_ADMIN)
    PerfEvent(attacker, handler.pid, flags=EXCLUDE_KERNEL)
    handler.wait_for_request()


@_perf(
    effect=Effect.AVAILABILITY,
    also=(Effect.INTEGRITY,),
    surface="perf-sigtrap",
    answers=("T1", "T15", "C10"),
    holes=on_kthread(Verdict.TAMPERED, f"{EVENTS_ALIKE}, but it takes no signal", partly=True)
    | on_debug(Verdict.TAMPERED, NO_SIGNAL),
    debugging=True,
)
def perf_sigtrap(attacker: Attacker, handler: Handler) -> None:
    """Have perf send SIGTRAP to the handler at a context switch. No hook for signals is called."""
    event = PerfEvent(attacker, handler.pid, flags=DISABLED | SIGTRAP | REMOVE_ON_EXEC)
    handler.wait_for_request()
    event.enable()
    handler.wait_for_request()


@_perf(
    effect=Effect.CONFIDENTIALITY,
    also=(Effect.INTEGRITY,),
    surface="perf-sample-stack",
    answers=("T1", "R16"),
    holes=on_kthread(Verdict.TAMPERED, f"{EVENTS_ALIKE}, but it has no user stack", partly=True)
    | on_debug(Verdict.TAMPERED, NO_PROBES),
    debugging=True,
)
def perf_sample_stack(attacker: Attacker, handler: Handler) -> None:
    """Sample the handler's stack by perf at each context switch and find the secret in it."""
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
        attacker.show_all(stack)


@_perf(
    effect=Effect.STEP,
    surface="perf-cpu-wide",
    answers=("T4", "R16"),
    target="system",
    debugging=True,
)
def perf_cpu_wide(attacker: Attacker, handler: Handler) -> None:
    """Sample all that runs on a CPU by perf: the handler's registers, and words of its memory."""
    event = PerfEvent(
        attacker,
        -1,
        cpu=0,
        sample=PERF_SAMPLE_TID | PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_REGS_USER,
        flags=EXCLUDE_CALLCHAIN_KERNEL,
        registers=1 << REGISTER_SI,
    )
    event.map_ring()
    for _ in range(LOOKS):
        handler.wait_for_request()
        if samples := event.users(handler.pid):
            break
    else:
        raise LookupError("the event never sampled the handler")
    if not any(sample.chain or sample.registers for sample in samples):
        raise NoTarget("its samples carry nothing of user code")
    places = {handler.symbol("request"), handler.symbol("outer")}
    registers = {value for sample in samples for value in sample.registers}
    attacker.gain("where its requests go", bool(registers & places), truth=True)
    code = {sample.chain[0] for sample in samples if sample.chain}
    attacker.gain("where its code runs", any(map(handler.maps, code)), truth=True)


@_perf(
    effect=Effect.STEP,
    surface="perf-mmap-records",
    answers=("T4", "R16"),
    target="system",
    debugging=True,
)
def perf_mmap_records(attacker: Attacker, handler: Handler) -> None:
    """Record by perf the mappings that are made on a CPU while a handler starts."""
    event = PerfEvent(attacker, -1, cpu=0, flags=MMAP | MMAP_DATA)
    event.map_ring()
    handler.restart()
    handler.wait_for_request()
    mapped = event.mapped(handler.pid)
    if not mapped:
        raise NoTarget("no mapping of its memory is recorded")
    pages = (page for one in mapped if one.start in BY_CHANCE for page in one[::PAGE])
    found = any(map(handler.maps, islice(pages, PAGES)))
    attacker.gain("where its stack or vDSO is", found, truth=True)


@scenario(
    effect=Effect.STEP,
    surface="ftrace-user-stack",
    answers=("T4", "R16"),
    call="write",
    refused=(EACCES, EPERM),
    reach="tracepoint_probe_register",
    target="system",
)
def user_stack_trace(attacker: Attacker, handler: Handler) -> None:
    """Have ftrace add the handler's user stack to its context switches (userstacktrace)."""
    attacker.write_file(f"{TRACING}/options/userstacktrace", b"1")
    switch_on(attacker, "sched/sched_switch", only=f"common_pid == {handler.pid}")
    handler.wait_for_request()
    if not recorded(attacker, "sched_switch"):
        raise LookupError("no context switch of the handler was recorded")
    found = _RETURNS_TO.findall(attacker.read_file(f"{TRACING}/trace").decode())
    if not found:
        raise NoTarget("it has no user stack")
    code = any(handler.maps(int(address, 16)) for address in set(found))
    attacker.gain("where its code runs", code, truth=True)


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
    """Put a uprobe, a breakpoint, into the handler's code by the path /proc/<pid>/exe."""
    place = f"/proc/{handler.pid}/exe:{handler.offset('read'):#x}"
    define(attacker, "uprobe", f"p:cell/read {place}")
    switch_on(attacker, "cell/read")


@scenario(
    effect=Effect.CONFIDENTIALITY,
    surface="kprobe-user-deref",
    answers=("T1", "R16", "C15"),
    call="write",
    refused=(EACCES, EPERM),
    reach="register_kprobe",
    target="system",
)
def kprobe_user_deref(attacker: Attacker, handler: Handler) -> None:
    """Record the secret from the handler's memory by a kprobe on ksys_write()."""
    memory = fetch(f"+u{{}}(\\{handler.symbol('secret')})", SECRET_SIZE)
    define(attacker, "kprobe", f"p:cell/user ksys_write {memory}")
    switch_on(attacker, "cell/user", only=f"common_pid == {handler.pid}")
    handler.wait_for_request()
    if not (found := fetched(attacker, "user", SECRET_SIZE)):
        raise NoTarget("it makes no system calls")
    attacker.show(found[0])


@scenario(
    effect=Effect.CONFIDENTIALITY,
    surface="kprobe-user-deref",
    through="kprobe_dispatcher",
    answers=("T1", "R16", "C15"),
    call="write",
    refused=(EACCES, EPERM),
    holes=on_both(Verdict.LEAKED, PROBES),
)
def kprobe_kernel_deref(attacker: Attacker, handler: Handler) -> None:
    """Record the secret by a kprobe on the kernel function that sends it to the handler."""
    messages = {
        "process": ("umd_send_recv", "+{}($arg2)"),
        "thread": ("__wake_up", "@exchange_request+{}"),
    }
    for name, (function, message) in messages.items():
        memory = fetch(message, MESSAGE_BODY + SECRET_SIZE)
        define(
            attacker, "kprobe", f"p:cell/{name} {function} kind={message.format(0)}:x32 {memory}"
        )
        switch_on(attacker, f"cell/{name}", only=f"kind == {START}")
    handler.restart()
    for name in messages:
        for found in fetched(attacker, name, MESSAGE_BODY + SECRET_SIZE):
            attacker.show(found[MESSAGE_BODY:])


@scenario(
    effect=Effect.STEP,
    surface="syscall-tracepoint-flag",
    through="syscall_regfunc",
    answers=("T4", "R16"),
    call="write",
    refused=(EACCES, EPERM),
    holes=on_isolated(Verdict.HELD, "no hook is called with the task that a tracepoint records"),
)
def syscall_tracepoint(attacker: Attacker, handler: Handler) -> None:
    """Trace the handler's system calls by raw_syscalls. They give its request buffer's address."""
    event = "raw_syscalls/sys_enter"
    switch_on(attacker, event, only=f"common_pid == {handler.pid}")
    handler.wait_for_request()
    found = [_READS.match(said) for said in recorded(attacker, "sys_enter")]
    places = {int(match[1], 16) for match in found if match}
    if not found:
        raise NoTarget("it makes no system calls")
    attacker.gain("where its requests go", True, truth=handler.symbol("request") in places)


@scenario(
    effect=Effect.NONE,
    surface="livepatch-fake-signal",
    passes=("add_taint_module", "klp_enable_patch"),
    answers=("L6", "C14"),
    reach="klp_start_transition",
    target="system",
)
def livepatch_transition(attacker: Attacker, handler: Handler) -> None:
    """Load a live patch. The transition asks the handler to leave the patched code."""
    with attacker.open(LIVEPATCH, O_RDONLY) as module:
        attacker.syscall("finit_module", module.fd, "", 0)
    if attacker.read_file("/proc/cmdline") != PATCHED:
        raise LookupError("the kernel does not run the code of the live patch")
    handler.wait_for_request()


_own = partial(
    scenario,
    effect=Effect.NONE,
    surface="user-events-rseq-seccomp-notif-io-uring",
    answers=("T1", "T4"),
    target="system",
)


def _ask(attacker: Attacker, payload: str, *arguments: str, numbers: int = 1) -> tuple[int, ...]:
    """Run a payload that writes so many numbers and then sleeps. Return the numbers."""
    with attacker.setup():
        said, writer = attacker.pipe()
        with writer:
            attacker.spawn(attacker.payload(payload), *arguments, stdout=writer.fd)
        answer = said.read(NUMBER.size * numbers)
    return tuple(number for (number,) in NUMBER.iter_unpack(answer))


@_own(reach="pin_user_pages_remote", needs=("USER_EVENTS",))
def user_events(attacker: Attacker, handler: Handler) -> None:
    """Register a user event at the handler's address. The write goes to the attacker's memory."""
    attacker.open(USER_EVENTS, O_RDWR).close()  # the payload opens it as well, without an errno
    if _ask(attacker, "foreign_word", "user_events", f"{handler.symbol('chain'):016x}") != (1,):
        raise LookupError("the kernel did not write to the attacker's memory either")


@_own(reach="__x64_sys_rseq")
def rseq(attacker: Attacker, handler: Handler) -> None:
    """Register rseq(2) at the handler's address. The write goes to the attacker's memory."""
    if _ask(attacker, "foreign_word", "rseq", f"{handler.symbol('chain'):016x}") != (1,):
        raise LookupError("the kernel did not write to the attacker's memory either")


@_own(reach="seccomp_notify_poll")
def seccomp_listener(attacker: Attacker, handler: Handler) -> None:
    """Ask for a seccomp listener. It may answer system calls of the attacker's children only."""
    foreign, own = _ask(attacker, "seccomp_listener", numbers=2)
    if foreign or not own:
        raise LookupError(f"the listener got {foreign} foreign and {own} own system calls")


@_own(
    effect=Effect.INTEGRITY,
    answers=("T9", "T3"),
    call="io_uring_enter",
    refused=(EACCES, EPERM),
    no_target=(ENOENT,),
    no_target_at="task_lookup_fdget_rcu",
    reach="security_ptrace_access_check",
    target="handler",
    holes=FRAMED,
)
def io_uring_inject(attacker: Attacker, handler: Handler) -> None:
    """Open /proc/<pid>/fd/1 in a worker of an io_uring and write a forged reply to it."""
    (result,) = _ask(attacker, "uring_open", f"/proc/{handler.pid}/fd/1")
    if result < 0:
        raise GuestError(-result, "io_uring_enter")
