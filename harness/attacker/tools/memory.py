# SPDX-License-Identifier: GPL-2.0-only
"""The files of /proc/<pid> about a process's memory: mem, maps, pagemap, environ and others."""

from __future__ import annotations

from os import O_RDONLY
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import NoTarget

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker


def expect_memory(attacker: Attacker, pid: int) -> None:
    """Check that a process has a user address space; a kernel thread has none.

    Linux 6.12 refuses to open these files for a kernel thread: GuestError, ESRCH at openat. Older
    kernels open them empty: NoTarget. The check reads /proc/<pid>/auxv, which is empty in no
    other case.
    """
    with attacker.open(f"/proc/{pid}/auxv", O_RDONLY) as vector:
        if not vector.read(1):
            raise NoTarget("it has no memory")
