# SPDX-License-Identifier: GPL-2.0-only
"""An attack on lockdown itself: root lowers its level.

The control is `baseline`, where nothing is locked: it shows that the second half works.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError
from harness.model.variants import LOCKDOWN, VARIANTS
from harness.model.verdict import Effect
from harness.scenarios.bpf import LOCKDOWN as LEVEL
from harness.scenarios.registry import BY_OPEN, scenario
from harness.scenarios.rivals import asleep
from harness.scenarios.whole_kernel import dev_mem

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

_ASLEEP = {
    name: reason
    for name, reason in asleep(LOCKDOWN, "the kernel is not locked down").items()
    if not VARIANTS[name].locked
}


@scenario(
    effect=Effect.INTEGRITY,
    surface="lockdown-switched-off",
    answers=("C15", "L5"),
    through="write_mem",
    needs=("DEVMEM", "!STRICT_DEVMEM"),
    whole_kernel=True,
    lockdown=BY_OPEN,
    not_applicable=_ASLEEP,
)
def lockdown_lower(attacker: Attacker, handler: Handler) -> None:
    """Write `none` to lockdown's file, then overwrite the handler's state through /dev/mem."""
    with suppress(GuestError):
        attacker.write_file(LEVEL, b"none")
    dev_mem(attacker, handler)
