# SPDX-License-Identifier: GPL-2.0-only
"""A private directory per machine, removed with it. Directories of dead runs are swept up."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from harness.cache.places import MACHINES
from harness.host.errors import VmLost, is_full, mendable
from harness.vm.demotion import give_to_qemu

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK = "lock"
_SECONDS = 30


@contextmanager
def work_directory() -> Iterator[Path]:
    """A directory that QEMU may write to; removed at the end. Raises UserError on a full disk."""
    try:
        path, lock = _new()
    except OSError as error:
        if is_full(error) and (told := mendable(error)):
            raise told from error
        raise
    try:
        give_to_qemu(path)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _new() -> tuple[Path, int]:
    """Make a directory and lock it."""
    base = MACHINES.path()
    base.mkdir(parents=True, exist_ok=True)
    # A directory without its lock looks like a dead run's, so no other process may sweep now.
    with FileLock(base / ".lock", timeout=_SECONDS):
        _sweep(base)
        path = Path(tempfile.mkdtemp(dir=base))
        try:
            return path, _lock(path, os.O_CREAT | os.O_EXCL)
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise


def sweep() -> None:
    """Remove the directories of machines whose process died without doing so."""
    base = MACHINES.path()
    base.mkdir(parents=True, exist_ok=True)
    with FileLock(base / ".lock", timeout=_SECONDS):
        _sweep(base)


def _lock(path: Path, flags: int) -> int:
    """Lock a directory's lock file. QEMU can write there, so no link is followed."""
    fd = os.open(path / _LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | flags, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise
    return fd


def _sweep(base: Path) -> None:
    for path in base.glob("*/"):
        try:
            os.close(_lock(path, 0))
        except BlockingIOError:
            continue  # the machine lives
        except OSError:
            pass  # half removed, or QEMU changed its lock: nothing to keep
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def starting() -> Iterator[None]:
    """Raise VmLost in place of an OSError while a machine is started."""
    try:
        yield
    except OSError as error:
        why = mendable(error) or error
        raise VmLost(f"the machine cannot be started: {why}") from error
