# SPDX-License-Identifier: GPL-2.0-only
"""The states of other processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker


def state_at_rest(attacker: Attacker, pid: int) -> bytes:
    """Wait until a process does not run, and return its state as in /proc/<pid>/stat."""
    while (state := attacker.read_file(f"/proc/{pid}/stat").rpartition(b") ")[2][:1]) == b"R":
        pass
    return state
