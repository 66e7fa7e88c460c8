# SPDX-License-Identifier: GPL-2.0-only
"""The copy of a user's tree in a build tree. Only files that changed there are written here.

make compares modification times, so the other files must keep theirs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from harness.cache.notes import read_note, write_note
from harness.host.errors import UserError
from harness.kernel.source.checkout import content

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.kernel.source.build_tree import BuildTree
    from harness.kernel.source.checkout import Checkout

_NOTE = "copied.json"
_OWED: list[str] = []
"""The note's entry for a file that is about to change. It differs from every real entry."""


def bring(tree: BuildTree, checkout: Checkout, *, progress: Callable[[str], None]) -> None:
    """Bring the base of `tree.source` to the checkout's content.

    Where a series is applied, the pristine copies of the files that it changed are updated. Raises
    UserError if a file changes meanwhile.
    """
    note = tree.root / _NOTE
    if not tree.note.is_file():
        _start_anew(tree)
    have = read_note(note, dict[str, list[str]]) or {}
    wanted = {name: list(entry) for name, entry in checkout.files.items()}
    gone = [name for name in have if name not in wanted]
    changed = [name for name, entry in wanted.items() if have.get(name) != entry]
    if gone or changed:
        progress(f"source: {len(changed)} files of {checkout.path} to copy, {len(gone)} gone")
        # Written first: after a crash, an old file must not look like a new one.
        write_note(note, have | dict.fromkeys((*gone, *changed), _OWED))
        for name in gone:
            _forget(tree, name)
        for name in changed:
            _copy(tree, checkout, name)
        write_note(note, wanted)
    tree.note_content(checkout.digest, tree.added())


def _start_anew(tree: BuildTree) -> None:
    """Remove a tree whose content is unknown."""
    for stale in (tree.source, tree.pristine, *tree.root.glob("objects*")):
        shutil.rmtree(stale, ignore_errors=True)
    (tree.root / _NOTE).unlink(missing_ok=True)


def _forget(tree: BuildTree, name: str) -> None:
    for root in (tree.pristine, tree.source):
        path = root / name
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
        for folder in path.parents:
            if folder == root or not folder.is_dir() or any(folder.iterdir()):
                break
            folder.rmdir()


def _copy(tree: BuildTree, checkout: Checkout, name: str) -> None:
    patched = (tree.pristine / name).is_file() or name in tree.added()
    target = (tree.pristine if patched else tree.source) / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    kind, digest = checkout.files[name]
    try:
        data = content(checkout.path / name)
    except FileNotFoundError:
        data = b""
    if hashlib.sha256(data).hexdigest() != digest:
        raise UserError(
            f"{checkout.path / name} changed while it was copied", hint="run the command again"
        )
    if kind == "link":
        target.symlink_to(os.fsdecode(data))
        return
    target.write_bytes(data)
    target.chmod(0o755 if kind == "program" else 0o644)
