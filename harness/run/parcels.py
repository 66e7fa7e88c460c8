# SPDX-License-Identifier: GPL-2.0-only
"""Parcels: folders that reach another machine by their content.

The machine keeps a parcel under the hash of its content. So it takes each content once, and what it
has is what was sent, whatever it has built itself.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

from harness.cache.integrity import SEAL
from harness.cache.places import RECEIVED
from harness.cache.store import Store
from harness.host.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 600.0
_KEPT = 32
_IDLE_SECONDS = 86400.0
_FAST = 1  # of zlib: takes a third off a kernel with its debug information


class Parcel:
    """The files of a folder."""

    def __init__(self, folder: Path) -> None:
        """Read nothing yet."""
        self._folder = folder

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of names, modes and content."""
        return sha256(self._archive()).hexdigest()

    @cached_property
    def content(self) -> bytes:
        """The files, as `receive` takes them."""
        return zlib.compress(self._archive(), _FAST)

    def _archive(self) -> bytes:
        """Return a tar archive that is the same for the same files."""
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(self._folder.rglob("*")):
                if path.is_file() and path.name != SEAL:
                    member = tarfile.TarInfo(str(path.relative_to(self._folder)))
                    member.size = path.stat().st_size
                    member.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                    with path.open("rb") as file:
                        archive.addfile(member, file)
        return made.getvalue()


def received(digest: str) -> Path | None:
    """Return the folder with this content, or None if this machine lacks it."""
    return _store().find(digest)


def receive(digest: str, content: bytes) -> Path:
    """Keep a parcel, and return its folder. Raises UserError unless its content has this hash."""
    archive = zlib.decompress(content)
    if sha256(archive).hexdigest() != digest:
        raise UserError(
            f"the parcel {digest[:12]} arrived with another content",
            hint="look for a fault of the network or of a disk",
        )

    def fill(new: Path) -> None:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(new, filter="data")

    return _store().find_or_make(digest, fill)


def _store() -> Store:
    return Store(RECEIVED.path(), seconds=_SECONDS, kept=_KEPT, idle_seconds=_IDLE_SECONDS)
