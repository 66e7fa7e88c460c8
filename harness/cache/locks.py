# SPDX-License-Identifier: GPL-2.0-only
"""Locks between the processes that share the cache."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_TELL_EVERY = 1.0  # seconds


class StillLocked(UserError):
    """Another process held a lock until the deadline."""


@contextmanager
def locked(
    path: Path, *, seconds: float, waiting: Callable[[float], None] = lambda _: None
) -> Iterator[None]:
    """Hold the lock file at `path`; its folder is made if it is missing.

    While another process holds the lock, `waiting` gets the seconds waited so far, about once a
    second. Raises StillLocked after `seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock, start = FileLock(path), time.monotonic()
    while True:
        waited = time.monotonic() - start
        try:
            lock.acquire(timeout=max(0.0, min(_TELL_EVERY, seconds - waited)))
            break
        except Timeout as error:
            waited = time.monotonic() - start
            if waited >= seconds:
                raise StillLocked(
                    f"another process has held {path} for {waited / 60:.0f} min",
                    hint="wait for that process or end it, then try again",
                ) from error
            waiting(waited)
    try:
        yield
    finally:
        lock.release()
