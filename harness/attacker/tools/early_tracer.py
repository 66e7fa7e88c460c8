# SPDX-License-Identifier: GPL-2.0-only
"""A tracer that attaches before the handler exists: it seizes the forked process before exec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.attacker.tools.bpf import BpfObject
from harness.attacker.tools.starts import Lookout, catch_start

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker.agent.attacker import Attacker

_TRACED = b"t"


class EarlyTracer:
    """The payload `seize_at_start`, which waits for handler starts until the agent ends."""

    def __init__(self, attacker: Attacker, name: str, address: int) -> None:
        """Start the payload, for the handler program `name`; `poke` writes to `address`."""
        self._attacker = attacker
        BpfObject(attacker, "dawdle")
        self._payload = Lookout(attacker, "seize_at_start", name, f"{address:x}")

    def catch(self, restart: Callable[[], None]) -> bool:
        """Restart the handler with `restart` until a start is seized, at most `STARTS` times.

        Return whether the kernel let the seized process execute the handler while traced. Raises
        NoTarget if no start was seized.
        """
        return catch_start(self._attacker, restart, self._payload.ask) == _TRACED

    def poke(self) -> bool:
        """Make the tracer stop the handler, overwrite 32 bytes at the address, and resume it.

        Return whether the tracer could write. If not, it looks out for the next start.
        """
        return self._payload.ask() == _TRACED
