# SPDX-License-Identifier: GPL-2.0-only
"""Helpers of the kernel's that do not end before root says so."""

from __future__ import annotations

from os import O_NONBLOCK, O_RDWR
from stat import S_IFIFO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

_GATE = "/tmp/gate"  # noqa: S108 - the guest's, not ours


class Gate:
    """A FIFO in front of which a program waits (payload wait_at_gate) until it is opened."""

    def __init__(self, attacker: Attacker) -> None:
        """Make it, closed."""
        self._attacker = attacker
        with attacker.setup():
            attacker.syscall("mknod", _GATE, S_IFIFO | 0o600, 0)
        self.helper = attacker.payload("wait_at_gate")

    def open(self) -> None:
        """Let all pass that wait, and whoever comes later."""
        self._attacker.open(_GATE, O_RDWR | O_NONBLOCK)
