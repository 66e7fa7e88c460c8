# SPDX-License-Identifier: GPL-2.0-only
"""The files of an unpacked source, shared with another kept build tree by hard links.

No file of a build tree is ever written to in place: a changed file is a new file.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cache.locks import StillLocked, locked
from harness.host.files import folder_aside, remove_scratch
from harness.kernel.source.build_tree import BuildTree, CopiedFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.kernel.source.checkout import Entry
    from harness.kernel.source.tarball import Source


def link_from_another(tree: BuildTree, source: Source) -> str:
    """Fill `tree.source` from a build tree beside it that has the same tarball; return its name.

    The result is empty if there is none, or if another process uses it. The caller holds the lock
    of `tree`.
    """
    with lenders(tree, digest=source.digest) as others:
        for other in others:
            with suppress(OSError):  # such as too many links; then the tarball is unpacked
                if other.tree.digest() == source.digest and _link(other.tree, tree, source):
                    return other.tree.root.name
    return ""


@dataclass(frozen=True)
class Lender:
    """A build tree whose lock this process holds, and the note about the files copied there."""

    tree: BuildTree
    files: Mapping[str, CopiedFile]

    def lend(self, name: str, entry: Entry, target: Path) -> bool:
        """Link a file to `target` if its kind and content are those of the entry.

        A file that was edited since it was copied is not linked.
        """
        noted = self.files.get(name)
        if noted is None or noted.entry != entry:
            return False
        path = self.tree.source / name
        with suppress(OSError):
            if CopiedFile.of(path, entry) == noted:
                os.link(path, target, follow_symlinks=False)
                return True
        return False


@contextmanager
def lenders(tree: BuildTree, *, digest: str = "") -> Iterator[list[Lender]]:
    """Yield the build trees beside `tree` that no process uses; with `digest`, those of a tarball.

    The caller holds the lock of `tree`.
    """
    with ExitStack() as locks:
        found = []
        for other in map(BuildTree, sorted(tree.root.parent.iterdir())):
            if other.root == tree.root or not other.source.is_dir():
                continue
            if not (other.digest() == digest if digest else other.copied_note.is_file()):
                continue
            with suppress(StillLocked):
                locks.enter_context(locked(other.lock, seconds=0.0))
                found.append(Lender(other, other.copied()))
        yield found


def _link(other: BuildTree, tree: BuildTree, source: Source) -> bool:
    """Link the files of the tarball; return False if one of them may have been edited."""
    made = source.tarball.stat().st_mtime
    files = dict(_originals(other))
    for path in files.values():
        if path.lstat().st_mtime > made and not path.is_relative_to(other.pristine):
            return False
    remove_scratch(tree.root)
    with folder_aside(tree.source) as new:
        for folder in {Path(name).parent for name in files}:
            (new / folder).mkdir(parents=True, exist_ok=True)
        for name, path in files.items():
            os.link(path, new / name, follow_symlinks=False)
    return True


def _originals(tree: BuildTree) -> Iterator[tuple[str, Path]]:
    """Yield each file of the tarball: its name, and where it is as it was unpacked."""
    added = tree.added()
    for root in (tree.source, tree.pristine):  # of a file that is in both, the second counts
        for folder, folders, names in os.walk(root):
            paths = [Path(folder, name) for name in (*folders, *names)]
            for path in (one for one in paths if one.is_symlink() or not one.is_dir()):
                if (inside := str(path.relative_to(root))) not in added:
                    yield inside, path
