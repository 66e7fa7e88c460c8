# SPDX-License-Identifier: GPL-2.0-only
"""What the scenarios beside it import."""

from __future__ import annotations

from os import O_RDONLY
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.attacker import Attacker
    from harness.witness.handler import Handler

SECRET_SIZE = 32


def read_secret(attacker: Attacker, handler: Handler) -> bytes:
    """The handler's secret, read through /proc/<pid>/mem. Raises OSError."""
    with attacker.open(f"/proc/{handler.pid}/mem", O_RDONLY) as mem:
        return mem.pread(SECRET_SIZE, handler.symbol("secret"))
