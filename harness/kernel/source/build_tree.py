# SPDX-License-Identifier: GPL-2.0-only
"""The folders of a kept build tree, and the note about what its source holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from harness.cache.notes import read_note, write_note

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class _UnpackedNote(msgspec.Struct, frozen=True):
    """The note about what `source` holds."""

    digest: str
    """The hash of the tarball or of the user's tree."""

    added: list[str]
    """The files that a series added."""


class CopiedFile(NamedTuple):
    """What the note says about a file that was copied from a user's tree."""

    kind: str
    digest: str
    size: int = 0
    changed_ns: int = 0
    inode: int = 0

    @classmethod
    def of(cls, path: Path, entry: tuple[str, str]) -> CopiedFile:
        """Return the facts of the file at `path`, which has this kind and content."""
        found = path.lstat()
        return cls(*entry, found.st_size, found.st_mtime_ns, found.st_ino)

    @property
    def entry(self) -> tuple[str, str]:
        """Its kind and the hash of its content, as in a checkout."""
        return self.kind, self.digest


@dataclass(frozen=True)
class BuildTree:
    """The folders of one kernel line's build. The caller holds its lock.

    The flavours of a line (as in Debian's kernels: the same source, another configuration)
    share its source, and each has objects of its own.
    """

    root: Path
    flavour: str = ""

    @property
    def lock(self) -> Path:
        """The lock file, which all flavours share."""
        return self.root.with_name(f"{self.root.name}.lock")

    @property
    def source(self) -> Path:
        """The patched source."""
        return self.root / "source"

    @property
    def objects(self) -> Path:
        """make's output folder (`O=`)."""
        return self.root / self._own("objects")

    @property
    def pristine(self) -> Path:
        """Copies of the files that patches change, as they were in the tarball."""
        return self.root / "pristine"

    @property
    def log(self) -> Path:
        """The output of the last build's tools."""
        return self.root / self._own("build", ".log")

    @property
    def config_scratch(self) -> Path:
        """Where a configuration is made, beside the objects."""
        return self.root / self._own("config")

    @property
    def config_note(self) -> Path:
        """The note about the inputs of the objects' configuration."""
        return self.root / self._own("config", ".json")

    def _own(self, name: str, suffix: str = "") -> str:
        return f"{name}-{self.flavour}{suffix}" if self.flavour else f"{name}{suffix}"

    @property
    def note(self) -> Path:
        """The note about the unpacked tarball and the files that did not come from it."""
        return self.root / "tree.json"

    @property
    def copied_note(self) -> Path:
        """The note about the files that were copied from a user's tree."""
        return self.root / "copied.json"

    def copied(self) -> dict[str, CopiedFile]:
        """Return what was copied from a user's tree, by name."""
        return read_note(self.copied_note, dict[str, CopiedFile]) or {}

    def added(self) -> set[str]:
        """Return the files in the source that came from a series and not from the tarball."""
        note = read_note(self.note, _UnpackedNote)
        return set(note.added) if note else set()

    def original(self, name: str) -> Path | None:
        """Return the file as the tarball or the user's tree has it; None if it has no such file."""
        if (self.pristine / name).is_file():
            return self.pristine / name
        if name not in self.added() and (self.source / name).is_file():
            return self.source / name
        return None

    def note_content(self, digest: str, added: Iterable[str]) -> None:
        """Note the hash of what was unpacked, and the files that a series added."""
        write_note(self.note, _UnpackedNote(digest, sorted(added)))

    def digest(self) -> str:
        """Return the hash of the tarball that is unpacked here, empty if none is."""
        note = read_note(self.note, _UnpackedNote)
        return note.digest if note else ""
