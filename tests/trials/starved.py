# SPDX-License-Identifier: GPL-2.0-only
"""Attacks that starve others of CPU time, by a real-time task on one of two CPUs, or of memory."""

from __future__ import annotations

from errno import EACCES, EPERM
from os import O_WRONLY, SCHED_FIFO
from signal import SIGKILL
from typing import TYPE_CHECKING

from harness.attacker.tools.bpf import BpfObject
from harness.attacker.tools.pagemap import PAGE
from harness.attacker.tools.priority import WORKERS_CPUS
from harness.model.verdict import Effect, Verdict
from harness.scenarios.caller import PAUSE
from harness.scenarios.holes import NO_BLOB, on_isolated
from harness.scenarios.poison import HARD_OFFLINE
from harness.scenarios.registry import BY_OPEN, scenario
from harness.scenarios.restarts import MODPROBE
from harness.witness.latency import SLOW_NS

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

FAIR_SERVER = "/sys/kernel/debug/sched/fair_server/cpu1/runtime"
HOG = "/tmp/hog_pid"  # noqa: S108 - the guest's, not ours
PAST_DEADLINE_NS = 5_000_000_000


def take_second_cpu(attacker: Attacker) -> int:
    """Run a real-time task on CPU 1, and return its pid.

    Since Linux 6.12 the fair server gives other tasks of the CPU 50 ms in each second.
    """
    with attacker.setup():
        hog = attacker.spawn(attacker.payload("burn"))
        attacker.sched_setaffinity(hog, {1})
    attacker.sched_setscheduler(hog, SCHED_FIFO, 1)
    return hog


@scenario(
    effect=Effect.AVAILABILITY,
    also=(Effect.INTEGRITY,),
    shows="policy",
    surface="rt-starvation",
    answers=("L6", "R16"),
    cpus=2,
    since="6.12",  # the fair server
    reach="apply_wqattrs_commit",
    target="system",
    holes=on_isolated(
        Verdict.DISRUPTED, "the workers of drivers follow the mask of all unbound workers"
    ),
    lockdown=BY_OPEN,
)
def workers_on_starved_cpu(attacker: Attacker, handler: Handler) -> None:
    """Set the CPU mask of unbound workqueues to one of two CPUs. A real-time task takes that."""
    attacker.write_file(FAIR_SERVER, b"0")
    hog = take_second_cpu(attacker)
    attacker.write_file(WORKERS_CPUS, b"2")
    handler.let_pass(PAST_DEADLINE_NS)
    attacker.kill(hog, SIGKILL)
    attacker.write_file(WORKERS_CPUS, b"3")
    handler.wait_for_request()


def load_on_starved_cpu(attacker: Attacker, handler: Handler) -> None:
    """Load the blob by a process on CPU 1, where nothing puts its pages on the LRU lists."""
    modprobe = attacker.read_file(MODPROBE)
    told, go = attacker.pipe()
    said, writer = attacker.pipe()
    with told, writer:
        path = f"/lib/modules/{handler.loader}.ko"
        loader = attacker.spawn(
            attacker.payload("reload"), handler.loader, path, stdin=told.fd, stdout=writer.fd
        )
    attacker.sched_setaffinity(loader, {1})
    attacker.sched_setscheduler(loader, SCHED_FIFO, 2)
    hog = take_second_cpu(attacker)
    attacker.write_file(HOG, str(hog).encode(), mode=0o600)
    attacker.write_file(MODPROBE, b"/none")  # or another process may load it
    go.write(b"1")
    said.read(1)
    attacker.write_file(MODPROBE, modprobe)
    handler.wait_for_request()


@scenario(
    effect=Effect.AVAILABILITY,
    also=(Effect.INTEGRITY,),
    shows="image",
    surface="hwpoison-soft-offline",
    answers=("T15", "L5"),
    cpus=2,
    reach="memory_failure",
    target="system",
    needs=("MEMORY_FAILURE",),
    prepare=load_on_starved_cpu,
    not_applicable=NO_BLOB,
    holes=on_isolated(
        Verdict.DISRUPTED, "the page is marked before the kernel can see that it is a blob's"
    ),
)
def hard_offline_unlisted(attacker: Attacker, handler: Handler) -> None:
    """Hard-offline a page of the blob that is on no LRU list yet. No handler starts.

    The kernel does not see whose page it is. It marks the page as bad, and waits for the CPU that
    has the page in a batch. A real-time task keeps this CPU busy, and the mark stays for a while.
    """
    hog = int(attacker.read_file(HOG))
    frame = handler.physical("_start") // PAGE
    with attacker.open(HARD_OFFLINE, O_WRONLY) as file:
        poisoner = attacker.spawn("/bin/busybox", "echo", hex(frame * PAGE), stdout=file.fd)
    attacker.syscall("nanosleep", PAUSE, 0)
    handler.restart()
    attacker.kill(hog, SIGKILL)
    attacker.waitpid(poisoner)


@scenario(
    effect=Effect.AVAILABILITY,
    surface="caller-failnth-desync",
    answers=("L6", "C14"),
    call="bpf",
    refused=(EPERM, EACCES),
    reach="security_bpf_prog_load",
    target="system",
    needs=("FUNCTION_ERROR_INJECTION",),
    holes=on_isolated(
        Verdict.DISRUPTED, "the library allocates each request in its caller, which may lack memory"
    ),
)
def fmod_failslab_caller(attacker: Attacker, handler: Handler) -> None:
    """Fail the allocations of the kernel's caller by fmod_ret. No request reaches the handler."""
    fail = BpfObject(attacker, "fail_slab", whom=b"umd_witness".ljust(16, b"\0"))
    handler.let_pass(SLOW_NS)
    fail.end()
    handler.wait_for_request()
