# SPDX-License-Identifier: GPL-2.0-only
"""An attack on TSEM itself, for --scenario: root leaves the sealed model for one of its own.

The control is `baseline` on the same kernel, where TSEM sleeps: it shows that the second half
works.
"""

from __future__ import annotations

from contextlib import suppress
from errno import EACCES, EPERM, ESRCH
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.model.verdict import Effect
from harness.scenarios.direct import proc_mem_write
from harness.scenarios.registry import PTRACE_CHECK, scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

CONTROL = "/sys/kernel/security/tsem/control"


@scenario(
    effect=Effect.INTEGRITY,
    surface="own",
    answers=("C8", "L5"),
    needs=("SECURITY_TSEM",),
    call="openat",
    refused=(EPERM, EACCES),
    no_target=(ESRCH,),
    no_target_at="mm_access",
    reach=PTRACE_CHECK,
)
def tsem_own_model(attacker: Attacker, handler: Handler) -> None:
    """Make a namespace with a model that is not sealed, then overwrite the handler's state."""
    with suppress(GuestError):
        attacker.write_file(CONTROL, b"internal\n")
    proc_mem_write(attacker, handler)
