# SPDX-License-Identifier: GPL-2.0-only
"""The children of this process that it has not reaped yet."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path


def kill_children() -> None:
    """Kill all children; the code that started them reaps them.

    A pid may be reaped and reused at any time. So the pid is looked up again after a descriptor
    holds it.
    """
    for pid in _children():
        with suppress(OSError):  # it has ended, or this process has too many open files
            descriptor = os.pidfd_open(pid)
            try:
                if pid in _children():
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            finally:
                os.close(descriptor)


def _children() -> set[int]:
    """Return the pids of the children, from /proc/<pid>/stat: `children` files are optional."""
    found = set()
    with suppress(OSError):  # too many open files
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has just ended
                # proc(5): the name may hold any character, so fields are counted from its end.
                _, parent = entry.read_text(errors="replace").rpartition(")")[2].split()[:2]
                if int(parent) == os.getpid():
                    found.add(int(entry.parent.name))
    return found
