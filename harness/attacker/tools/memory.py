# SPDX-License-Identifier: GPL-2.0-only
"""The files of /proc/<pid> about a process's memory: mem, maps, pagemap, environ and others."""

from __future__ import annotations

from contextlib import suppress
from os import O_RDONLY
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError, NoTarget

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker


def expect_memory(attacker: Attacker, pid: int) -> None:
    """Raise NoTarget if the kernel shows that a process has no user address space.

    A kernel thread has none. Before Linux 6.12 its files open empty. 6.12 refuses most of them,
    with ESRCH at openat. The check reads /proc/<pid>/auxv, which is empty in no other case. If auxv
    is refused, with any errno, the attack's own calls decide: the kernel may refuse auxv alone.
    """
    with suppress(GuestError), attacker.open(f"/proc/{pid}/auxv", O_RDONLY) as vector:
        if not vector.read(1):
            raise NoTarget("it has no memory")
