# SPDX-License-Identifier: GPL-2.0-only
"""The store: things that are built once and kept under a key that names all their inputs.

Every builder of the harness uses this one sequence: look up, lock, look up again, build aside,
note sizes and hashes, sync, rename, prune. So a reader finds a whole thing or nothing, also after
a crash.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.cache.integrity import is_sealed, seal
from harness.cache.locks import locked
from harness.host.files import SCRATCH, folder_aside, remove_scratch

if TYPE_CHECKING:
    from collections.abc import Iterator

Fill = Callable[[Path], None]
"""Writes the files of a new entry into the empty folder that it gets.

That folder's parent is scratch space of the same disk, which is removed afterwards.
"""


@dataclass(frozen=True)
class Store:
    """The entries of one kind. Each is a folder `root/<key>`, and is never changed afterwards."""

    root: Path

    seconds: float
    """How long a process waits for another one that makes an entry."""

    kept: int = 0
    """How many entries stay, the last used ones; 0 for all of them."""

    idle_seconds: float = 0.0
    """Entries that were used within this time stay in any case: another process may use them."""

    is_sealed: bool = True
    """Whether the sizes and hashes of an entry's files are noted, and checked at each look-up."""

    mode: int = 0o777
    """The mode of an entry's folder, less the umask."""

    lock: Path | None = None
    """The lock file, if it is not `<root>.lock`."""

    def find(self, key: str) -> Path | None:
        """Return the whole entry under `key`, which counts as used now; None if there is none."""
        path = self.root / key
        if not (is_sealed(path) if self.is_sealed else path.is_dir()):
            return None
        if self.kept:
            try:
                os.utime(path)
            except FileNotFoundError:  # another process has just pruned the entry
                return None
        return path

    def find_or_make(
        self, key: str, fill: Fill, *, among: Callable[[Path], bool] = lambda _: True
    ) -> Path:
        """Return the entry under `key`; have `fill` make it if there is none that is whole.

        Only entries for which `among` holds are pruned. Raises StillLocked where another process
        does not end in time, and whatever `fill` raises; no half-made entry stays then.
        """
        if found := self.find(key):
            return found
        with self.locked():
            return self.find(key) or self._make(key, fill, among)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the store. Raises StillLocked."""
        lock = self.lock or self.root.with_name(f"{self.root.name}.lock")
        with locked(lock, seconds=self.seconds):
            yield

    def _make(self, key: str, fill: Fill, among: Callable[[Path], bool]) -> Path:
        """Make the entry. The caller holds the lock, so whatever is half made is left over."""
        self.root.mkdir(parents=True, exist_ok=True)
        remove_scratch(self.root)
        entry = self.root / key
        self._prune(entry, among)
        with folder_aside(entry, mode=self.mode) as new:
            fill(new)
            if self.is_sealed:
                seal(new)
        return entry

    def _prune(self, coming: Path, among: Callable[[Path], bool]) -> None:
        """Remove the entries that were not used for longest, and leave room for the coming one."""
        if not self.kept:
            return
        entries = [path for path in self.root.iterdir() if path.is_dir() and among(path)]
        others = [path for path in entries if path != coming]
        last_used = sorted(others, key=lambda path: path.stat().st_mtime_ns, reverse=True)
        limit = time.time() - self.idle_seconds
        for stale in last_used[self.kept - 1 :]:
            if stale.stat().st_mtime <= limit:
                _remove(stale)


def _remove(entry: Path) -> None:
    """Remove an entry: first its name, so that no other process finds half of the files."""
    with TemporaryDirectory(dir=entry.parent, prefix=SCRATCH, ignore_cleanup_errors=True) as trash:
        entry.rename(Path(trash) / "old")
