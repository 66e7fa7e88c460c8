# SPDX-License-Identifier: GPL-2.0-only
"""Attacks that write kernel memory: a kernel thread fares no better (parity)."""

from __future__ import annotations

from os import O_NONBLOCK, O_RDWR
from typing import TYPE_CHECKING

from harness.handler import FIRST_ROUNDS
from harness.scenarios.holes import on_isolated, on_kthread
from harness.scenarios.registry import scenario
from harness.witness.verdict import Effect, Verdict

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.handler import Handler

ALL_OF_MEMORY = "who writes all of physical memory writes a kernel thread's too; lockdown closes it"
MODULES = "who may load modules may load one in place of a thread's, too; signatures close it"


@scenario(
    effect=Effect.INTEGRITY,
    surface="devmem-kmem-port-iopl",
    answers=("L3", "C15"),
    needs=("DEVMEM", "!STRICT_DEVMEM"),
    whole_kernel=True,
    holes=on_isolated(Verdict.TAMPERED, ALL_OF_MEMORY)
    | on_kthread(Verdict.TAMPERED, ALL_OF_MEMORY),
)
def dev_mem(attacker: Attacker, handler: Handler) -> None:
    """Overwrite the handler's state in physical memory, through /dev/mem."""
    with attacker.open("/dev/mem", O_RDWR) as memory:
        memory.pwrite(b"\xff" * 32, handler.physical("chain"))


@scenario(
    effect=Effect.INTEGRITY,
    surface="module-replace",
    answers=("L3", "C15"),
    whole_kernel=True,
    reach="security_kernel_read_file",
    target="start",
    holes=on_isolated(Verdict.TAMPERED, MODULES) | on_kthread(Verdict.TAMPERED, MODULES),
)
def module_replaced(attacker: Attacker, handler: Handler) -> None:
    """Unload the loader, and have the kernel load one with other code in it."""
    path = f"/lib/modules/{handler.loader}.ko"
    with attacker.setup():
        module = attacker.read_file(path)
        if FIRST_ROUNDS not in module:
            raise LookupError("the module has no round constants to change")
        attacker.write_file(path, module.replace(FIRST_ROUNDS, bytes(len(FIRST_ROUNDS))))
    attacker.syscall("delete_module", handler.loader, O_NONBLOCK)
