# SPDX-License-Identifier: GPL-2.0-only
"""Attacks that write kernel memory: a kernel thread fares no better (parity)."""

from __future__ import annotations

from os import O_RDWR
from typing import TYPE_CHECKING

from harness.scenarios.holes import on_isolated
from harness.scenarios.registry import Hole, scenario
from harness.witness.verdict import Effect, Verdict

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.handler import Handler

ALL_OF_MEMORY = (
    "parity: who writes all of physical memory writes a kernel thread's too; lockdown closes it"
)


@scenario(
    effect=Effect.INTEGRITY,
    surface="devmem-kmem-port-iopl",
    answers=("L3", "C15"),
    whole_kernel=True,
    holes={
        **on_isolated(Verdict.TAMPERED, ALL_OF_MEMORY),
        "kthread": Hole(Verdict.TAMPERED, ALL_OF_MEMORY),
    },
)
def dev_mem(attacker: Attacker, handler: Handler) -> None:
    """Overwrite the handler's state in physical memory, through /dev/mem."""
    with attacker.open("/dev/mem", O_RDWR) as memory:
        memory.pwrite(b"\xff" * 32, handler.physical("chain"))
