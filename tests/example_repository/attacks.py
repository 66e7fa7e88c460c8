# SPDX-License-Identifier: GPL-2.0-only
"""Three attacks of my own."""

from __future__ import annotations

from errno import EACCES, EPERM, ESRCH
from os import O_RDWR
from pathlib import Path
from typing import TYPE_CHECKING

from reading import read_secret

from harness.brought.attack_program import attack_program
from harness.model.verdict import Verdict
from harness.scenarios import Effect, Hole, scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

attack_program(
    Path(__file__).with_name("overwrite.c"),
    effect=Effect.INTEGRITY,
    reach="security_ptrace_access_check",
    no_target="mm_access",
)


@scenario(
    effect=Effect.CONFIDENTIALITY,
    surface="proc-mem-write",
    answers=("C2", "R16"),
    call="openat",
    refused=(EPERM, EACCES),
    no_target=(ESRCH,),
    no_target_at="mm_access",
    reach="security_ptrace_access_check",
)
def my_read(attacker: Attacker, handler: Handler) -> None:
    """Read the secret that only the handler holds."""
    attacker.show(read_secret(attacker, handler))


MEMORY = Hole(Verdict.TAMPERED, "/dev/mem holds all memory, also that of the handler")


@scenario(
    effect=Effect.INTEGRITY,
    surface="devmem-kmem-port-iopl",
    answers=("L3", "C15"),
    through="write_mem",
    needs=("DEVMEM", "!STRICT_DEVMEM"),
    whole_kernel=True,
    holes={"isolated": MEMORY, "kthread": MEMORY},
)
def my_dev_mem(attacker: Attacker, handler: Handler) -> None:
    """Overwrite the state of the handler in physical memory."""
    with attacker.open("/dev/mem", O_RDWR) as memory:
        memory.pwrite(b"\xff" * 32, handler.physical("chain"))
