# SPDX-License-Identifier: GPL-2.0-only
"""Kernel threads, and attacks on those that fork the handler."""

from __future__ import annotations

from errno import ENOENT, EPERM, ESRCH
from typing import TYPE_CHECKING, TypeVar

from harness.attacker.agent.errors import GuestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from harness.attacker.agent.attacker import Attacker

T = TypeVar("T")

_FORKING = b"kthreadd", b"kworker/u", b"kworker/R-umd_", b"umd_start"
"""How the names of threads begin that fork handlers. The last is the rescuer before Linux 6.9."""


def threads_named(attacker: Attacker, *beginnings: bytes) -> Iterator[int]:
    """Yield the pids of the tasks whose name (/proc/<pid>/comm) starts with one of `beginnings`."""
    for pid in filter(str.isdecimal, attacker.listdir("/proc")):
        try:
            name = attacker.read_file(f"/proc/{pid}/comm")
        except GuestError as error:
            if error.errno not in (ENOENT, ESRCH):  # the task has ended in the meantime
                raise
            continue
        if name.startswith(beginnings):
            yield int(pid)


def on_forking_threads(attacker: Attacker, act: Callable[[int], T]) -> list[T]:
    """Call `act` with the pid of each thread that may fork the next handler.

    An unbound kworker forks a handler process. If no kworker can be made, the rescuer of isolated
    drivers does. kthreadd forks a handler thread and new kworkers. Refusals and results are as in
    `each_within_reach`.
    """
    return each_within_reach(threads_named(attacker, *_FORKING), act)


def each_within_reach(pids: Iterable[int], act: Callable[[int], T]) -> list[T]:
    """Call `act` with each pid; return the results, without those refused with EPERM.

    Raises GuestError if all are refused, or if one fails with another errno.
    """
    done, refusal = [], None
    for pid in pids:
        try:
            done.append(act(pid))
        except GuestError as error:
            if error.errno != EPERM:
                raise
            refusal = error
    if refusal and not done:
        raise refusal
    return done
