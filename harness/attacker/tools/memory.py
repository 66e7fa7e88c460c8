# SPDX-License-Identifier: GPL-2.0-only
"""What of /proc/<pid> is about a process's memory: mem, maps, pagemap, environ and the like."""

from __future__ import annotations

from os import O_RDONLY
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import NoTarget

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker


def expect_memory(attacker: Attacker, pid: int) -> None:
    """Look whether the process has memory that these files are about.

    Where it has none, as a kernel thread, 6.12 opens none of them: GuestError, ESRCH at openat.
    Before, Linux opened each, and there is nothing in it: NoTarget. The auxiliary vector is empty
    in no other case.
    """
    with attacker.open(f"/proc/{pid}/auxv", O_RDONLY) as vector:
        if not vector.read(1):
            raise NoTarget("it has no memory")
