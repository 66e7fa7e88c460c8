# SPDX-License-Identifier: GPL-2.0-only
"""A tracer that is there before the handler is: it seizes what becomes one as it is forked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.attacker.agent.errors import NoTarget
from harness.attacker.tools.bpf import BpfObject

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker.agent.attacker import Attacker

STARTS = 20
"""How many to try to catch: most are caught at once."""

_NONE, _TRACED = b"-", b"t"


class EarlyTracer:
    """The payload `seize_at_start`, looking out for starts; it lives as long as the agent."""

    def __init__(self, attacker: Attacker, name: str, address: int) -> None:
        """Have it wait for the handler of this name; it is to write to `address` in the end."""
        self._attacker = attacker
        BpfObject(attacker, "dawdle")
        with attacker.setup():
            self._said, writer = attacker.pipe()
            reader, self._told = attacker.pipe()
            seize = attacker.payload("seize_at_start")
            with writer, reader:
                attacker.spawn(seize, name, f"{address:x}", stdin=reader.fd, stdout=writer.fd)

    def catch(self, restart: Callable[[], None]) -> bool:
        """Catch one of many starts; whether that was let exec under its tracer.

        Raises NoTarget if none was caught.
        """
        for made in range(STARTS + 1):
            came = self._said.read(1)
            if made:
                self._attacker.tried(won=came != _NONE)
            if came != _NONE:
                return came == _TRACED
            restart()
        raise NoTarget("no process was caught before it was executed")

    def poke(self) -> None:
        """Have it stop the handler, overwrite 32 bytes at the address, and let it go on."""
        self._told.write(b"!")
        if self._said.read(1) != _TRACED:
            raise NoTarget("its tracer could not write to it")
