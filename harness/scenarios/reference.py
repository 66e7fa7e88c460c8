# SPDX-License-Identifier: GPL-2.0-only
"""The two reference cells of every variant. No other verdict counts without them (rule 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model.verdict import Effect
from harness.scenarios.registry import scenario

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler


@scenario(effect=Effect.NONE, surface="reference", answers=("R14",))
def nothing(attacker: Attacker, handler: Handler) -> None:
    """Make no attack. The verdict must be `held`."""
    attacker.getpid()


@scenario(effect=Effect.INTEGRITY, surface="reference", answers=("R14",), from_host=True)
def host_tamper(attacker: Attacker, handler: Handler) -> None:
    """Flip one byte of the handler's state from the host. The witness must report it."""
    handler.flip_byte()
