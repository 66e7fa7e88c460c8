# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on how the handler starts: what the *next* start runs or inherits."""

from __future__ import annotations

from errno import EACCES, ENOENT, EPERM
from os import O_RDONLY
from resource import RLIMIT_CPU
from typing import TYPE_CHECKING

from harness.attacker.bpf import BpfObject
from harness.attacker.errors import NoTarget
from harness.scenarios.holes import NO_BLOB, on_isolated, on_kthread
from harness.scenarios.registry import scenario
from harness.witness.verdict import Effect, Verdict

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.handler import Handler

STARTS = 20
"""How many to try to catch: most are caught at once."""

ELF_ENTRY = 24
"""Where an ELF header has the address that execution starts at."""


@scenario(
    effect=Effect.INTEGRITY,
    surface="proc-cwd-blob-replace",
    answers=("R4", "C2"),
    call="openat",
    refused=(EPERM, EACCES),
    no_target=(ENOENT,),
    no_target_at="security_ptrace_access_check",
    reach="security_ptrace_access_check",
)
def proc_cwd_blob_replace(attacker: Attacker, handler: Handler) -> None:
    """Replace the blob in the private mount, so that the next start runs the attacker's binary."""
    with attacker.setup():
        forged = attacker.read_file(attacker.payload("false_handler"))
    blob = f"/proc/{handler.pid}/cwd/{handler.name}"
    attacker.open(blob, O_RDONLY).close()
    with attacker.setup():
        attacker.unlink(blob)
        attacker.write_file(blob, forged, mode=0o700)


@scenario(
    effect=Effect.INTEGRITY,
    shows="traced",
    surface="umh-startup-ptrace-race",
    answers=("T10", "C2"),
    call="ptrace",
    refused=(EPERM,),
    reach="security_ptrace_access_check",
    target="start",
    not_applicable=NO_BLOB,
    holes=on_isolated(Verdict.DISRUPTED, "whoever seizes it before the mark has it refused"),
)
def seize_at_start(attacker: Attacker, handler: Handler) -> None:
    """Seize the process that the kernel forks for the handler, before it is marked or executed."""
    BpfObject(attacker, "dawdle")
    with attacker.setup():
        said, writer = attacker.pipe()
        seize = attacker.payload("seize_at_start")
        with writer:
            attacker.spawn(seize, handler.name, stdout=writer.fd)
    for _ in range(STARTS):
        came = said.read(1)
        if came != b"-":
            break
        handler.restart()
    else:
        raise NoTarget("no process was caught before it was executed")


@scenario(
    effect=Effect.INTEGRITY,
    surface="binfmt-misc-hijack",
    answers=("R4", "C2"),
    reach="bprm_change_interp",
    target="start",
    not_applicable=NO_BLOB,
    holes=on_isolated(
        Verdict.TAMPERED,
        "bprm_check_security sees the interpreter, which our LSM lets pass",
    ),
)
def binfmt_misc_hijack(attacker: Attacker, handler: Handler) -> None:
    """Register an interpreter for the blob, which the kernel then executes in its place."""
    entry = "".join(f"\\x{byte:02x}" for byte in handler.symbol("_start").to_bytes(8, "little"))
    with attacker.setup():
        forged = attacker.payload("false_handler")
        attacker.mount("none", "/proc/sys/fs/binfmt_misc", "binfmt_misc")
    rule = f":cell:M:{ELF_ENTRY}:{entry}::{forged}:"
    attacker.write_file("/proc/sys/fs/binfmt_misc/register", rule.encode())
    handler.restart()


@scenario(
    effect=Effect.INTEGRITY,
    shows="limits",
    surface="rlimit-inherit",
    answers=("C10", "L6"),
    reach="security_task_setrlimit",
    target="start",
    holes=on_kthread(Verdict.TAMPERED, "it inherits as well, though limits do not bind it"),
)
def rlimit_inherit(attacker: Attacker, handler: Handler) -> None:
    """Give the kernel's threads, of which the next handler is forked, a second of CPU time each."""
    for pid in filter(str.isdecimal, attacker.listdir("/proc")):
        if attacker.read_file(f"/proc/{pid}/comm").startswith((b"kthreadd", b"kworker/")):
            attacker.prlimit(int(pid), RLIMIT_CPU, (1, 1))
