# SPDX-License-Identifier: GPL-2.0-only
"""The routes by which the attack surface is counted, and what each cannot see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.surface.entries import find_entries
from harness.surface.hooks import find_hooks
from harness.surface.senders import find_senders
from harness.surface.writes import find_writes

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.surface.tree import KernelTree

NODES = "nodes"
"""The route that needs a running guest (harness/surface/nodes.py)."""


@dataclass(frozen=True)
class Route:
    """One independent way to find where a task can be acted on from outside.

    `find` gives each entry a name that lasts from kernel to kernel, and says where it is.
    """

    name: str
    title: str
    blind: str
    find: Callable[[KernelTree], dict[str, str]] | None


ROUTES = (
    Route(
        "hooks",
        "LSM hooks that are given a task, credentials or memory",
        "what no hook guards, which is most",
        find_hooks,
    ),
    Route(
        "entries",
        "entry points that look up a task, its memory or its files",
        "what acts without a lookup; calls through pointers, and lookups that are inlined; "
        "an ioctl's commands are one entry; modules",
        find_entries,
    ),
    Route(
        "senders",
        "calls that send a signal and do not ask for the permission to",
        "what wakes, stops or kills without a signal; senders made by macros",
        find_senders,
    ),
    Route(
        "writes",
        "functions that write to another task's state by a pointer",
        "writes through other structures (an rlimit, a sched_entity), assembly, inlined headers",
        find_writes,
    ),
    Route(
        NODES,
        "files of the running guest: the handler's in procfs, writable sysctls, control groups",
        "sysfs, debugfs, tracefs, device nodes; what a file's content selects; v1 control groups",
        None,
    ),
)
