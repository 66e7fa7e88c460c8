# SPDX-License-Identifier: GPL-2.0-only
"""Attacks by sysctls that decide on the next handler's memory, addresses and pid."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import NoTarget
from harness.attacker.tools.pagemap import PAGE
from harness.model.variants import VARIANTS
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import NO_BLOB, on_both
from harness.scenarios.registry import scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

VM = "/proc/sys/vm"
FILE_MAX = "/proc/sys/fs/file-max"
RANDOMIZE = "/proc/sys/kernel/randomize_va_space"
LAST_PID = "/proc/sys/kernel/ns_last_pid"
BSET = "/proc/sys/kernel/usermodehelper/bset"
CAP_SYS_MODULE = 1 << 16

TOP_OF_STACK = 0x7FFFFFFFE000
"""The last page of a process's memory, where the stack lies unless its address is random."""

FIRST_PID, STEP, TRIES = 20_000, 100, 5
"""The first pid to choose, and how much higher each of the further tries is."""


_by_limit = partial(
    scenario,
    effect=Effect.AVAILABILITY,
    surface="sysctl-exec-env",
    answers=("L6", "R16"),
    target="start",
)


def _has(capability: str) -> dict[str, str]:
    """Return the variants whose handler has a capability when it is executed, with the reason."""
    return {
        variant.name: f"the handler has {capability}, which only confinement takes away"
        for variant in VARIANTS.values()
        if variant.proposed or not (variant.protects or variant.rival)
    }


@_by_limit(
    reach="overcommit_policy_handler",
)
def overcommit_never(attacker: Attacker, handler: Handler) -> None:
    """Set vm.overcommit_memory to 2 with almost no memory to commit. The blob's exec fails."""
    with attacker.setup():
        attacker.write_file(f"{VM}/overcommit_kbytes", b"1")
    attacker.write_file(f"{VM}/overcommit_memory", b"2")
    handler.restart()
    attacker.write_file(f"{VM}/overcommit_memory", b"0")


@_by_limit(
    reach="proc_dointvec_minmax",
)
def max_map_count(attacker: Attacker, handler: Handler) -> None:
    """Set vm.max_map_count to 1. The blob's exec fails."""
    limit = attacker.read_file(f"{VM}/max_map_count")
    attacker.write_file(f"{VM}/max_map_count", b"1")
    handler.restart()
    attacker.write_file(f"{VM}/max_map_count", limit)


@_by_limit(
    also=(Effect.INTEGRITY,),
    shows="credentials",
    reach="mmap_min_addr_handler",
)
def mmap_min_addr_bset(attacker: Attacker, handler: Handler) -> None:
    """Raise vm.mmap_min_addr above the blob and clear CAP_SYS_RAWIO in usermodehelper/bset."""
    attacker.write_file(BSET, b"%d 0" % CAP_SYS_MODULE)
    _restart_below_min_addr(attacker, handler)


@_by_limit(
    effect=Effect.NONE,
    control="isolated",
    reach="proc_doulongvec_minmax",
    not_applicable=_has("CAP_SYS_ADMIN"),
)
def file_max(attacker: Attacker, handler: Handler) -> None:
    """Set fs.file-max to 0. The handler starts without CAP_SYS_ADMIN as well."""
    limit = attacker.read_file(FILE_MAX)
    attacker.write_file(FILE_MAX, b"0")
    handler.restart()
    attacker.write_file(FILE_MAX, limit)


@_by_limit(
    effect=Effect.NONE,
    control="isolated",
    reach="mmap_min_addr_handler",
    not_applicable=_has("CAP_SYS_RAWIO"),
)
def mmap_min_addr(attacker: Attacker, handler: Handler) -> None:
    """Raise vm.mmap_min_addr above the blob. The handler starts without CAP_SYS_RAWIO as well."""
    _restart_below_min_addr(attacker, handler)


def _restart_below_min_addr(attacker: Attacker, handler: Handler) -> None:
    limit = attacker.read_file(f"{VM}/mmap_min_addr")
    above = (handler.symbol("chain") | PAGE - 1) + 1
    attacker.write_file(f"{VM}/mmap_min_addr", b"%d" % above)
    handler.restart()
    attacker.write_file(f"{VM}/mmap_min_addr", limit)


@scenario(
    effect=Effect.STEP,
    surface="sysctl-exec-env",
    answers=("R11", "R16"),
    reach="proc_dointvec",
    target="start",
    not_applicable=NO_BLOB,
)
def stack_not_random(attacker: Attacker, handler: Handler) -> None:
    """Set kernel.randomize_va_space to 0. The next handler's stack has a known address."""
    attacker.write_file(RANDOMIZE, b"0")
    handler.restart()
    handler.wait_for_request()
    if not handler.maps(TOP_OF_STACK):
        raise NoTarget("its stack lies elsewhere")
    attacker.gain("where its stack lies", True, truth=True)


@scenario(
    effect=Effect.STEP,
    surface="ns-last-pid-set-tid",
    answers=("T14", "R9"),
    reach="pid_ns_ctl_handler",
    target="start",
    tries=TRIES,
    needs=("CHECKPOINT_RESTORE",),
    holes=on_both(Verdict.HELD, "root may set the counter that all pids come from"),
)
def ns_last_pid(attacker: Attacker, handler: Handler) -> None:
    """Choose the pid of the next handler by kernel.ns_last_pid."""
    chosen = FIRST_PID
    for chosen in range(FIRST_PID, FIRST_PID + TRIES * STEP, STEP):
        attacker.write_file(LAST_PID, b"%d" % (chosen - 1))
        handler.restart()
        won = handler.pid == chosen
        attacker.tried(won=won)
        if won:
            break
    attacker.gain("the next handler's pid", chosen, truth=handler.pid)
