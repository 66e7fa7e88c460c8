# SPDX-License-Identifier: GPL-2.0-only
"""Attacks on memory that the kernel swaps out: root owns the device below the swap."""

from __future__ import annotations

import struct
from errno import EACCES, EINVAL, EPERM, ESRCH
from signal import SIGCONT, SIGSTOP
from typing import TYPE_CHECKING

from harness.attacker.perf import REMOVE_ON_EXEC, SIGTRAP, PerfEvent
from harness.attacker.reload import reload_charged
from harness.attacker.swap import PAGE, SwapDevice
from harness.handler import FIRST_ROUNDS
from harness.scenarios.holes import NO_BLOB, on_isolated
from harness.scenarios.registry import scenario
from harness.witness.verdict import Effect, Verdict

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.handler import Handler

MADV_PAGEOUT = 21
THREADS_MAX = "/proc/sys/kernel/threads-max"


@scenario(
    effect=Effect.INTEGRITY,
    surface="process-madvise",
    answers=("T2", "T8", "C3"),
    call="process_madvise",
    refused=(EPERM, EACCES, EINVAL),  # EINVAL: the memory is locked
    no_target=(ESRCH,),
    no_target_at="mm_access",
    reach="mm_access",
)
def process_madvise_swap_tamper(attacker: Attacker, handler: Handler) -> None:
    """Have the handler's memory swapped out, and rewrite it on the device."""
    pid, chain = handler.pid, handler.symbol("chain")
    page = struct.pack("<QQ", chain & -PAGE, PAGE)
    with attacker.pidfd_open(pid) as pidfd:

        def page_out() -> None:
            attacker.syscall("process_madvise", pidfd.fd, page, 1, MADV_PAGEOUT, 0)

        page_out()
        swap = SwapDevice(attacker, pages=2048)
        attacker.kill(pid, SIGSTOP)  # or it fetches the page back
        slot = swap.push_out_page(pid, chain, page_out)
    swap.rewrite(slot, chain % PAGE, b"\xff" * 32)
    attacker.kill(pid, SIGCONT)


@scenario(
    effect=Effect.INTEGRITY,
    surface="tmpfs-blob-swap-tamper",
    answers=("T2", "T8", "C3"),
    reach="swap_read_folio",
    target="start",
    not_applicable=NO_BLOB,
    holes=on_isolated(
        Verdict.TAMPERED, "the blob lies in a tmpfs that is swapped: only what runs is locked"
    ),
)
def blob_swap_tamper(attacker: Attacker, handler: Handler) -> None:
    """Have the blob swapped out while no handler runs, and rewrite the code of the next one."""
    swap = SwapDevice(attacker, pages=64)
    with attacker.setup():
        reload_charged(attacker, handler.loader, "blob")
        handler.wait_for_request()
        limit = attacker.read_file(THREADS_MAX)
    attacker.write_file(THREADS_MAX, b"1")  # no new one starts
    PerfEvent(attacker, handler.pid, flags=SIGTRAP | REMOVE_ON_EXEC)  # and this one dies of it
    offset = handler.offset("sha_round") % PAGE
    slot = swap.push_out("blob", FIRST_ROUNDS, offset)
    swap.rewrite(slot, offset, bytes(len(FIRST_ROUNDS)))
    attacker.write_file(THREADS_MAX, limit)
