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

    from harness.cache.places import Place

_MIB = 1 << 20
_TRASH = ".removed-"


@dataclass(frozen=True)
class Removable:
    """A file or folder of the cache that can be removed, and the bytes that it takes on disk."""

    path: Path
    size: int

    def __str__(self) -> str:
        """Return the path and the size, as `clean` prints them."""
        return f"{self.path}, {mebibytes(self.size)}"


def clean(
    *, everything: bool, dry_run: bool = False, cache: Path | None = None
) -> Iterator[Removable]:
    """Remove what is soon made again, with `everything` the costly places too; yield each.

    Results are not in the cache and stay. A dry run removes nothing. Raises UserError while another
    process uses the cache, except for a dry run.
    """
    cache = cache_dir() if cache is None else cache
    if not dry_run:
        _check_unused(cache)
    for one in _removables(cache, everything=everything):
        if not dry_run:
            _remove(one.path, cache)
        yield one


def mebibytes(size: int) -> str:
    """Return a number of bytes as text, in MiB."""
    return f"{size / _MIB:.1f} MiB"


def _removables(cache: Path, *, everything: bool) -> Iterator[Removable]:
    """Yield what killed processes left, and then each place without that, and its notes.

    Each is sized only when its turn comes: to size a build tree takes seconds.
    """
    patterns = (f"{_TRASH}*", *(one for place in PLACES for one in place.all_leftovers()))
    paths = dict.fromkeys(path for pattern in patterns for path in sorted(cache.glob(pattern)))
    left = []
    for path in paths:
        left.append(Removable(path, _size(path)))
        yield left[-1]
    due = [place for place in PLACES if everything or not place.is_costly]
    for path in [path for place in due for path in _of(place, cache)]:
        still_in_it = (one for one in left if path in one.path.parents and one.path.exists())
        yield Removable(path, _size(path) - sum(one.size for one in still_in_it))


def _of(place: Place, cache: Path) -> list[Path]:
    """Return the folder of a place, if it is there, and its notes."""
    folder = place.path(cache)
    notes = (path for pattern in place.notes for path in sorted(cache.glob(pattern)))
    return [*([folder] if folder.is_dir() else []), *notes]


def _remove(path: Path, cache: Path) -> None:
    if path in (place.path(cache) for place in PLACES):
        trash = cache / f"{_TRASH}{path.name}-{os.getpid()}"
        path = path.rename(trash)  # first: no other process finds half of the folder
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _size(path: Path) -> int:
    """Sum up the blocks on disk, not the lengths: a guest's RAM is a sparse file."""
    files = [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
    return sum(_on_disk(file) for file in files or [path] if not file.is_dir())


def _on_disk(file: Path) -> int:
    try:
        return file.lstat().st_blocks * 512
    except FileNotFoundError:  # a dry run holds no lock
        return 0


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
