# SPDX-License-Identifier: GPL-2.0-only
"""A private directory per machine, gone with it; those of runs that died are swept up."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from harness.paths import cache_dir
from harness.vm.demotion import QEMU_USER, unprivileged

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK = "lock"

SETTLED_SECONDS = 60
"""A younger directory may not have its lock yet."""


@contextmanager
def work_directory() -> Iterator[Path]:
    """A directory that QEMU may write to; removed at the end."""
    base = cache_dir() / "machines"
    base.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(dir=base))
    try:
        with (path / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if unprivileged():
                os.chown(path, QEMU_USER, QEMU_USER)
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def sweep() -> None:
    """Remove the directories of machines whose process died without doing so."""
    for path in (cache_dir() / "machines").glob("*"):
        if time.time() - path.stat().st_mtime < SETTLED_SECONDS:
            continue
        with suppress(OSError), (path / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
