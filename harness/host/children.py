# SPDX-License-Identifier: GPL-2.0-only
"""The processes that this one has started and not yet reaped."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path


def kill_children() -> None:
    """Kill each of them; those who started them see it and reap.

    A pid may be reaped and given to a stranger at any time, so it is looked up again once a
    descriptor holds it.
    """
    for pid in _children():
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                if pid in _children():
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            finally:
                os.close(descriptor)


def _children() -> set[int]:
    """Look through /proc: its `children` files are a kernel option that may be off."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            # proc(5): the name may hold anything, so what follows is found from its end.
            _, parent = entry.read_text(errors="replace").rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid():
                found.add(int(entry.parent.name))
    return found
