# SPDX-License-Identifier: GPL-2.0-only
"""The attack of the tutorial (docs/tutorials/first-attack.md)."""

from __future__ import annotations

from errno import EACCES, EPERM, ESRCH
from os import O_RDONLY
from typing import TYPE_CHECKING

from harness.scenarios import Effect, scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler


@scenario(
    effect=Effect.CONFIDENTIALITY,
    surface="proc-mem-write",
    answers=("C2", "R16"),
    control="baseline",
    call="openat",
    refused=(EPERM, EACCES),
    no_target=(ESRCH,),
    no_target_at="mm_access",
    reach="security_ptrace_access_check",
)
def first_attack(attacker: Attacker, handler: Handler) -> None:
    """Read the secret of the handler through /proc/<pid>/mem."""
    with attacker.open(f"/proc/{handler.pid}/mem", O_RDONLY) as mem:
        attacker.show(mem.pread(32, handler.symbol("secret")))
