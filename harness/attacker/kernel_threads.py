# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's threads, by which every process is started that the kernel starts itself."""

from __future__ import annotations

from errno import ENOENT, ESRCH
from typing import TYPE_CHECKING

from harness.attacker.errors import GuestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.attacker.attacker import Attacker


def threads_named(attacker: Attacker, *beginnings: bytes) -> Iterator[int]:
    """Yield the pids of the threads, or processes, whose names begin so."""
    for pid in filter(str.isdecimal, attacker.listdir("/proc")):
        try:
            name = attacker.read_file(f"/proc/{pid}/comm")
        except GuestError as error:
            if error.errno not in (ENOENT, ESRCH):  # or it has ended since
                raise
            continue
        if name.startswith(beginnings):
            yield int(pid)


def forking_threads(attacker: Attacker) -> Iterator[int]:
    """Yield the pids of what the next handler is forked from, whichever of them it will be.

    A process comes from an unbound worker, a thread from kthreadd, as do new workers.
    """
    return threads_named(attacker, b"kthreadd", b"kworker/u")
