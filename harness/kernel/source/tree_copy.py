# SPDX-License-Identifier: GPL-2.0-only
"""The copy of a user's tree in a build tree. Only files that changed there are written here.

make compares modification times, so the other files must keep theirs.
"""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.cache.notes import write_note
from harness.host.pace import Pace
from harness.kernel.source.build_tree import CopiedFile
from harness.kernel.source.shared import lenders

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence, Set
    from pathlib import Path

    from harness.kernel.source.build_tree import BuildTree
    from harness.kernel.source.checkout import Checkout
    from harness.kernel.source.shared import Lender

_TOLD = 1000  # files between two messages
_OWED = CopiedFile("", "")
"""The note's entry for a file that is about to change. It differs from every real entry."""


def bring(tree: BuildTree, checkout: Checkout, *, progress: Callable[[str], None]) -> None:
    """Bring the base of `tree.source` to the checkout's content.

    Where a series is applied, the pristine copies of the files that it changed are updated. A new
    tree shares the files that another build tree has as well. Raises UserError if a file changes
    meanwhile.
    """
    if not tree.note.is_file():
        _start_anew(tree)
    noted = tree.copied()
    gone = [name for name in noted if name not in checkout.files]
    changed = [
        name
        for name, entry in checkout.files.items()
        if name not in noted or noted[name].entry != entry
    ]
    if gone or changed:
        progress(f"source: {len(changed)} files of {checkout.path} to copy, {len(gone)} gone")
        # Written first: after a crash, an old file must not look like a new one.
        noted |= dict.fromkeys((*gone, *changed), _OWED)
        write_note(tree.copied_note, noted)
        try:
            for name in gone:
                _forget(tree, name)
                del noted[name]
            _copy(tree, checkout, changed, noted, progress)
        finally:  # also after Ctrl-C, so that the next try goes on from here
            write_note(tree.copied_note, noted)
    tree.note_content(checkout.digest, tree.added())


def _start_anew(tree: BuildTree) -> None:
    """Remove a tree whose content is unknown."""
    for stale in (tree.source, tree.pristine, *tree.root.glob("objects*")):
        shutil.rmtree(stale, ignore_errors=True)
    tree.copied_note.unlink(missing_ok=True)
    tree.note_content("", ())


def _forget(tree: BuildTree, name: str) -> None:
    for root in (tree.pristine, tree.source):
        path = root / name
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
        for folder in path.parents:
            if folder == root or not folder.is_dir() or any(folder.iterdir()):
                break
            folder.rmdir()


def _copy(
    tree: BuildTree,
    checkout: Checkout,
    names: Sequence[str],
    noted: dict[str, CopiedFile],
    progress: Callable[[str], None],
) -> None:
    """Copy files, and note each."""
    pace = Pace(len(names), unit="files")
    with ExitStack() as stack:
        # make takes a file for changed by its time, and a linked file is old.
        is_new = not any(tree.root.glob("objects*"))
        others = stack.enter_context(lenders(tree)) if is_new else []
        copies = _Copies(tree, checkout, others, tree.added())
        for number, name in enumerate(names):
            if number % _TOLD == 0 < number:
                progress(f"source: copying {pace.at(number)}")
            path = copies.copy(name)
            noted[name] = CopiedFile.of(path, checkout.files[name])


@dataclass(frozen=True)
class _Copies:
    """What is the same for all files that are copied; `folders` has those that are there."""

    tree: BuildTree
    checkout: Checkout
    others: Sequence[Lender]
    added: Set[str]
    folders: set[Path] = field(default_factory=set)

    def copy(self, name: str) -> Path:
        """Copy a file, or link the same file of another build tree. Return where it is now."""
        patched = name in self.added or (self.tree.pristine / name).is_file()
        target = (self.tree.pristine if patched else self.tree.source) / name
        if target.parent not in self.folders:
            target.parent.mkdir(parents=True, exist_ok=True)
            self.folders.add(target.parent)
        target.unlink(missing_ok=True)
        kind, _ = entry = self.checkout.files[name]
        if any(other.lend(name, entry, target) for other in self.others):
            return target
        data = self.checkout.read(name)
        if kind == "link":
            target.symlink_to(os.fsdecode(data))
            return target
        target.write_bytes(data)
        target.chmod(0o755 if kind == "program" else 0o644)
        return target
