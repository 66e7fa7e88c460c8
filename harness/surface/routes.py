# SPDX-License-Identifier: GPL-2.0-only
"""The routes by which the attack surface is counted, and the blind spots of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.surface.entries import find_entries
from harness.surface.hooks import find_hooks
from harness.surface.senders import find_senders
from harness.surface.spares import find_spares
from harness.surface.writes import find_writes

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.surface.tree import KernelTree

NODES = "nodes"
"""The route that needs a running guest (harness/surface/nodes.py)."""


@dataclass(frozen=True)
class Route:
    """One independent way to find the places that act on a task from outside.

    `find` returns the entries by names that stay the same from kernel to kernel, each with its
    place. `blind` says what the route cannot find.
    """

    name: str
    title: str
    blind: str
    find: Callable[[KernelTree], dict[str, str]] | None


ROUTES = (
    Route(
        "hooks",
        "LSM hooks with a task, credentials or memory as an argument",
        "what no hook guards, which is most of the surface",
        find_hooks,
    ),
    Route(
        "entries",
        "entry points that look up a task, its memory or its files",
        "code that acts without a lookup; calls through pointers; inlined lookups; modules; "
        "it counts all commands of an ioctl as one entry",
        find_entries,
    ),
    Route(
        "senders",
        "calls that send a signal without a permission check",
        "code that wakes, stops or kills without a signal; senders made by macros",
        find_senders,
    ),
    Route(
        "writes",
        "functions that write to another task's state by a pointer",
        "writes through other structures (an rlimit, a sched_entity), assembly, inlined headers",
        find_writes,
    ),
    Route(
        "spares",
        "functions that tell a kernel thread from a process and ask nothing about a driver",
        "a second test in a function that asks once; tests in macros and assembly; comparisons of "
        "memory with other memory; tests by other signs, such as a flag of a signal state",
        find_spares,
    ),
    Route(
        NODES,
        "files of the running guest that root can write, the handler's in procfs, device nodes",
        "what a file's content or an ioctl selects; what modules and mounts bring; cgroups v1",
        None,
    ),
)
