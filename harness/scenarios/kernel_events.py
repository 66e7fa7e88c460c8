# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own trace events, which record what it does for the handler."""

from __future__ import annotations

import re
from errno import EACCES, EPERM
from functools import partial
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import NoTarget
from harness.attacker.tools.pagemap import PAGE
from harness.attacker.tools.tracefs import TRACING, recorded, switch_on
from harness.model.verdict import Effect, Verdict
from harness.scenarios.holes import on_isolated
from harness.scenarios.registry import scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

STARTS = 24
"""Several, because the kernel faults only if the start of the stack crosses a page: by chance."""

STACKS = range(0x7FF0_0000_0000, 1 << 47)
"""The addresses of stacks on x86-64: at the end of user space, less up to 16 GiB by chance."""

_FAULT = re.compile(r"address=0x([0-9a-f]+) ")
_PAGES = re.compile(r"page=\S+ pfn=0x([0-9a-f]+) order=(\d+) .*gfp_flags=GFP_HIGHUSER")
"""A line of the trace about pages for a process's memory, whether the pages may move or not."""

_while_it_starts = partial(
    scenario,
    effect=Effect.STEP,
    surface="fault-and-page-events",
    answers=("T4", "R16"),
    call="write",
    refused=(EACCES, EPERM),
    reach="tracepoint_probe_register",
    target="system",
    holes=on_isolated(Verdict.HELD, "no hook is called with the task that a tracepoint records"),
)


@_while_it_starts()
def page_fault_events(attacker: Attacker, handler: Handler) -> None:
    """Trace the kernel's page faults while a handler starts. They give its stack's address."""
    switch_on(attacker, "exceptions/page_fault_kernel")
    for _ in range(STARTS):
        handler.restart()
        said = recorded(attacker, "page_fault_kernel", pid=handler.pid)
        addresses = [int(fault[1], 16) for fault in map(_FAULT.match, said) if fault]
        if on_stack := [address for address in addresses if address in STACKS]:
            break
    else:
        raise NoTarget("it has no user stack")
    handler.wait_for_request()
    attacker.gain("where its stack is", all(map(handler.maps, on_stack)), truth=True)


@_while_it_starts()
def page_alloc_events(attacker: Attacker, handler: Handler) -> None:
    """Trace the allocation of pages while a handler starts. They give its memory's page frames."""
    switch_on(attacker, "kmem/mm_page_alloc")
    handler.restart()
    handler.wait_for_request()
    attacker.write_file(f"{TRACING}/tracing_on", b"0")  # or the read below is recorded as well
    said = recorded(attacker, "mm_page_alloc", pid=handler.pid)
    pages = [(int(page[1], 16), 1 << int(page[2])) for page in map(_PAGES.match, said) if page]
    if not pages:
        raise NoTarget("it allocates no memory of a process")
    secret = handler.physical("secret") // PAGE
    found = any(first <= secret < first + count for first, count in pages)
    attacker.gain("its page frames, the secret's among them", found, truth=True)
