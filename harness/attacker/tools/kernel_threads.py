# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's threads, by which every process is started that the kernel starts itself."""

from __future__ import annotations

from errno import ENOENT, EPERM, ESRCH
from typing import TYPE_CHECKING, TypeVar

from harness.attacker.agent.errors import GuestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from harness.attacker.agent.attacker import Attacker

T = TypeVar("T")


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


def on_forking_threads(attacker: Attacker, act: Callable[[int], T]) -> list[T]:
    """Act on each that the next handler may be forked from: see each_within_reach().

    A process comes from an unbound worker, a thread from kthreadd, as do new workers.
    """
    return each_within_reach(threads_named(attacker, b"kthreadd", b"kworker/u"), act)


def each_within_reach(pids: Iterable[int], act: Callable[[int], T]) -> list[T]:
    """Act on each, and return what that gave, but where it is refused with EPERM.

    Raises GuestError: all refused, or one with another errno.
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
