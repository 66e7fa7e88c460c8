# SPDX-License-Identifier: GPL-2.0-only
"""The memory of this process and of all that it has started."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_EVERY = 0.2  # seconds between two looks


@dataclass
class Peak:
    """The most memory that was seen, in KiB. A page that several processes share counts once."""

    kib: int = 0


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Look at the memory again and again until the block ends."""
    peak, over = Peak(), threading.Event()

    def look() -> None:
        while True:
            peak.kib = max(peak.kib, _of_family())
            if over.wait(_EVERY):
                return

    thread = threading.Thread(target=look, name="memory", daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def _of_family() -> int:
    """Return the proportional set size of this process and of its descendants, in KiB."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            # proc(5): the name may hold any character, so fields are counted from its end.
            _, parent = entry.read_text(errors="replace").rpartition(")")[2].split()[:2]
            parents[int(entry.parent.name)] = int(parent)
    family, further = {os.getpid()}, {os.getpid()}
    while further:
        further = {pid for pid, parent in parents.items() if parent in further} - family
        family |= further
    return sum(map(_proportional, family))


def _proportional(pid: int) -> int:
    with suppress(OSError):  # it has just ended
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
