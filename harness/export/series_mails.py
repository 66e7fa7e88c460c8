# SPDX-License-Identifier: GPL-2.0-only
"""A series as mails, and the proof that they make the tree that the harness builds."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.export.repository import Repository, sha256
from harness.host.errors import UserError
from harness.kernel.source.tarball import partial_tree
from harness.kernel.source.tree import FRAMEWORK, scratch_tree, touched_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.export.identity import Identity
    from harness.export.unifdef import Unifdef
    from harness.kernel.series.commits import Series
    from harness.kernel.source.tarball import Source

_VERSION = re.compile(r"^(?:VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Base:
    """The base of a series: the source files that it touches, in a folder."""

    source: Source
    files: Path

    @classmethod
    def find(cls, series: Series, source: Source, *, cache: Path) -> Base:
        """Unpack the files, or find them unpacked. Raises UserError."""
        names = sorted({"Makefile", FRAMEWORK, *touched_files(series)})
        return cls(source, partial_tree(source, names, cache=cache))

    @property
    def version(self) -> str:
        """The kernel's version, such as 6.12.94."""
        return ".".join(_VERSION.findall((self.files / "Makefile").read_text())[:3])

    @property
    def time(self) -> int:
        """When the source was packed, in seconds since 1970. It is the fixed date of the mails."""
        return int((self.files / "Makefile").stat().st_mtime)


@dataclass(frozen=True)
class Mails:
    """The mails of a series, its cover letter first, and those of the commits below it."""

    earlier: list[Path]
    series: list[Path]

    @property
    def patches(self) -> list[Path]:
        """All mails but the cover letter, in the order for `git am`."""
        return [*self.earlier, *self.series[1:]]


def write_mails(
    series: Series,
    base: Base,
    folder: Path,
    *,
    author: Identity,
    cover: str,
    signoff: bool = False,
    unifdef: Unifdef | None = None,
    since: int = 0,
) -> Mails:
    """Write the cover letter and a mail for each commit to `folder`.

    With `unifdef`, code for tests only is left out. The first `since` commits are not of this
    series, but below it. Raises UserError.
    """
    with TemporaryDirectory() as scratch:
        where = Path(scratch) / "repository"
        repository = Repository.create(where, base.files, author=author, time=base.time)
        # Patches may change overlay files. This repository has the overlay files with all lines.
        whole = Repository.create(
            Path(scratch) / "whole", base.files, author=author, time=base.time
        )
        earlier: list[Path] = []
        added: set[str] = set()
        for number, commit in enumerate(series.commits, start=1):
            added.update(commit.overlay)
            for name in commit.overlay:
                _copy(series.overlay_file(name), whole.path / name)
            if commit.patch is not None:
                whole.apply(commit.patch)
            for name in touched_files(replace(series, commits=(commit,))):
                _copy(whole.path / name, where / name)
                if unifdef is not None and name in added:
                    unifdef.strip(where / name)
            # One second apart, so that a mail program which sorts by time keeps the order.
            repository.commit(commit.message, time=base.time + number, signoff=signoff)
            if number == since:
                earlier = repository.mails(folder / "earlier", cover="Earlier", time=base.time)[1:]
                repository.git("tag", "--force", "base")
        return Mails(earlier, repository.mails(folder, cover=cover, time=base.time))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def prepared(series: Series, base: Base, *, unifdef: Unifdef | None = None) -> Mapping[str, str]:
    """Return the SHA-256 of each file that the series touches, in the tree that the harness builds.

    With `unifdef`, without code for tests only. Raises UserError.
    """
    with scratch_tree(series, base.source, base.files) as tree:
        if unifdef is not None:
            for name in tree.added():
                unifdef.strip(tree.source / name)
        return {
            str(path.relative_to(tree.source)): sha256(path)
            for path in sorted(tree.source.rglob("*"))
            if path.is_file()
        }


def received(patches: list[Path], base: Base, *, author: Identity) -> Mapping[str, str]:
    """Return the SHA-256 of each file after `git am` of the mails on the clean source.

    The cover letter is none of `patches`. Raises UserError.
    """
    with TemporaryDirectory() as scratch:
        where = Path(scratch) / "repository"
        repository = Repository.create(where, base.files, author=author, time=base.time)
        repository.receive(patches)
        return repository.hashes()


def check_same(built: Mapping[str, str], mailed: Mapping[str, str]) -> None:
    """Raise UserError unless both trees have the same files with the same content."""
    differing = sorted(
        name for name in built.keys() | mailed.keys() if built.get(name) != mailed.get(name)
    )
    if differing:
        raise UserError(
            f"the mails do not make the tree that the harness builds: {', '.join(differing)}",
            hint="this is a defect of the export; do not send the mails",
        )
