# SPDX-License-Identifier: GPL-2.0-only
"""Emptying the cache: what can be made again is removed, and what that frees is said."""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.host.paths import cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

_MADE_AGAIN = ("states", "build", "checks", "machines", "trees", "patches", "bisect")
_IMAGES = ("images", "guests", "surface", "kselftests", "signing", "sources", "debian")
"""With the images goes the key whose certificate is in them, never alone."""
_LOCKS = (
    *("build/*.lock", "checks/*.lock", "guests.lock", "states/*.lock", "machines/*/lock"),
    *("surface/*.lock", "kselftests.lock", "signing.lock", "sources/*.lock", "debian.lock"),
)
_MIB = 1 << 20
_TRASH = ".removed-"
_LEFT = (
    *(
        f"{_TRASH}*",
        "guests/.new-*",
        "kselftests/.new-*",
        "sources/.new-*",
        "images/.*.new",
        "debian/.new-*",
    ),
    "signing.new-*",
)
"""What removals and builds leave that were killed."""


@dataclass(frozen=True)
class Removed:
    """A folder of the cache that was removed, and the bytes of disk that it took."""

    path: Path
    size: int

    def __str__(self) -> str:
        """Return the line that `clean` prints."""
        return f"removed {self.path}, {self.size / _MIB:.1f} MiB"


def clean(*, everything: bool, cache: Path | None = None) -> Iterator[Removed]:
    """Remove build trees and saved states, with `everything` the images too; yield each.

    Results are not in the cache and stay. Raises UserError while the harness runs elsewhere.
    """
    cache = cache_dir() if cache is None else cache
    _check_unused(cache)
    for pattern in _LEFT:
        for left in cache.glob(pattern):
            yield _remove(left)
    for name in (*_MADE_AGAIN, *(_IMAGES if everything else ())):
        path = cache / name
        if path.is_dir():
            trash = cache / f"{_TRASH}{name}-{os.getpid()}"
            path.rename(trash)  # at once: nobody finds half of it
            yield Removed(path, _remove(trash).size)


def _remove(path: Path) -> Removed:
    size = _size(path)
    shutil.rmtree(path)
    return Removed(path, size)


def _size(path: Path) -> int:
    """Sum what the files take on disk: a guest's RAM is a sparse file."""
    return sum(
        (Path(folder) / name).lstat().st_blocks * 512
        for folder, _, names in os.walk(path)
        for name in names
    )


def _check_unused(cache: Path) -> None:
    for pattern in _LOCKS:
        for path in cache.glob(pattern):
            with path.open("rb") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise UserError(
                        f"the cache is in use: {path} is locked",
                        hint="wait for the run or build that uses it, or end it",
                    ) from error
