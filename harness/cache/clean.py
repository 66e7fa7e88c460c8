# SPDX-License-Identifier: GPL-2.0-only
"""Empties the cache: removes what can be made again, and says how much disk that frees."""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cache.places import PLACES
from harness.host.errors import UserError
from harness.host.paths import cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

_MIB = 1 << 20
_TRASH = ".removed-"


@dataclass(frozen=True)
class Removed:
    """A file or folder of the cache that was removed, and the bytes that it took on disk."""

    path: Path
    size: int

    def __str__(self) -> str:
        """Return the line that `clean` prints."""
        return f"removed {self.path}, {self.size / _MIB:.1f} MiB"


def clean(*, everything: bool, cache: Path | None = None) -> Iterator[Removed]:
    """Remove what is soon made again, with `everything` the costly places too; yield each.

    Results are not in the cache and stay. Raises UserError while another process uses the cache.
    """
    cache = cache_dir() if cache is None else cache
    _check_unused(cache)
    patterns = (f"{_TRASH}*", *(one for place in PLACES for one in place.all_leftovers()))
    for leftover in (path for pattern in patterns for path in sorted(cache.glob(pattern))):
        yield _remove(leftover)
    for place in PLACES:
        path = place.path(cache)
        if path.is_dir() and (everything or not place.is_costly):
            trash = cache / f"{_TRASH}{place.name}-{os.getpid()}"
            path.rename(trash)  # first: no other process finds half of the folder
            yield Removed(path, _remove(trash).size)


def _remove(path: Path) -> Removed:
    removed = Removed(path, _size(path))
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    return removed


def _size(path: Path) -> int:
    """Sum up the blocks on disk, not the lengths: a guest's RAM is a sparse file."""
    files = [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
    return sum(file.lstat().st_blocks * 512 for file in files or [path] if not file.is_dir())


def _check_unused(cache: Path) -> None:
    for pattern in (one for place in PLACES for one in place.all_locks()):
        for path in cache.glob(pattern):
            with path.open("rb") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise UserError(
                        f"the cache is in use: {path} is locked",
                        hint="wait for the run or build that uses it, or end it",
                    ) from error
