# SPDX-License-Identifier: GPL-2.0-only
"""A kept build tree: unpacked once, then changed in few files to match a series.

make compares modification times. So a file is written only where its content differs, and files
that an earlier series changed are restored from pristine copies.
"""

from __future__ import annotations

import filecmp
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.host.commands import output_of
from harness.host.errors import UserError
from harness.host.files import copy_new
from harness.kernel.source.build_tree import BuildTree
from harness.kernel.source.checkout import Checkout
from harness.kernel.source.git_apply import apply_to, patched_files
from harness.kernel.source.shared import link_from_another
from harness.kernel.source.stage import Stage
from harness.kernel.source.tarball import Source, unpack
from harness.kernel.source.tree_copy import bring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.kernel.series.commits import Series

FRAMEWORK = "kernel/usermode_driver.c"
"""Mainline's user mode driver framework, which the library stands on (gone since 6.17)."""

_CLOCK_SLACK = 2.0
"""Seconds by which a file's time may be ahead: file systems have clocks of their own."""
_NAMED = 3  # files that a message names
_COPY_SECONDS = 600.0  # 1 GB; 10 s on an idle disk


def prepare(
    tree: BuildTree,
    *,
    source: Source | Checkout,
    series: Series,
    progress: Callable[[str], None],
    members: Sequence[str] = (),
    base: Callable[[str], Path | None] | None = None,
) -> list[str]:
    """Bring `tree.source` from any state to the tarball, or the user's tree, plus the series.

    With `members`, as `unpack` takes them, a new tree holds only that part of the tarball and the
    files that the series changes. `base` returns a file of the source that our series was made
    for, if that is not the same source. Return what was merged or left out, a line for each.
    """
    if newest := _from_the_future(tree):
        # make would take a file that changes now for older than its object.
        progress(f"source: the clock went back behind {newest}: building from nothing")
        _remove(tree.note)
    original = source.original if isinstance(source, Checkout) else tree.original
    if isinstance(source, Source) and tree.digest() != source.digest:
        # Objects too: the tarball's times are older than theirs, so make would keep them.
        for stale in (tree.note, tree.pristine, *tree.root.glob("objects*")):
            _remove(stale)
        if other := "" if members else link_from_another(tree, source):
            progress(f"source: taking the files of the build tree {other}")
        else:
            changed = series.changed_files() if members else ()
            unpack(source, tree.source, members=(*members, *changed), progress=progress)
        note_unpacked(tree, source)
    progress(f"source: applying {len(series.commits)} commits")
    folder = tree.root / "stage"
    _remove(folder)
    folder.mkdir()
    stage = Stage(folder, series, original, base or original)
    for commit in series.commits:
        stage.add(commit)
    _check_framework(stage)
    if isinstance(source, Checkout):  # after the patches, because it takes longer
        bring(tree, source, progress=progress)
    had_series = bool(tree.added())
    changed = _sync(tree, folder, digest=source.digest, removed=stage.removed)
    if had_series and changed:
        more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        progress(f"source: changed {', '.join(changed[:_NAMED])}{more}")
    _remove(folder)
    return stage.told


def note_unpacked(tree: BuildTree, source: Source) -> None:
    """Note that `tree.source` is the tarball, or all parts of it that are needed."""
    tree.note_content(source.digest, ())


@contextmanager
def scratch_tree(series: Series, source: Source, files: Path) -> Iterator[BuildTree]:
    """Yield a tree of its own: a copy of files of the source, and the series. Raises UserError.

    `files` is a folder with all files of the source that the series changes.
    """
    with TemporaryDirectory() as scratch:
        tree = BuildTree(Path(scratch))
        shutil.copytree(files, tree.source)
        note_unpacked(tree, source)
        prepare(tree, source=source, series=series, progress=lambda _: None)
        yield tree


def touched_files(series: Series) -> list[str]:
    """Return the files that the series adds or changes, relative to the tree's top, in order."""
    where = series.overlay
    names = {name for commit in series.commits for name in commit.overlay}
    for commit in series.commits:
        if commit.patch is not None:
            names |= set(patched_files(commit.patch, stage=where))
        names |= {name for name, _ in commit.appended}
    return sorted(names)


def write_overlay(series: Series, target: Path) -> list[str]:
    """Write the files that the series adds, as its patches leave them; return their names."""
    added: set[str] = set()
    for commit in series.commits:
        for name in commit.overlay:
            copy_new(series.overlay_file(name), target / name)
        added.update(commit.overlay)
        if commit.patch is not None:
            changed = added.intersection(patched_files(commit.patch, stage=target))
            apply_to(sorted(changed), commit.patch, stage=target)
    return sorted(added)


def _from_the_future(tree: BuildTree) -> str:
    """Return a path of an earlier build whose time is in the future; empty if there is none.

    The times of the folders suffice: a folder changes when a file in it is made.
    """
    now = time.time() + _CLOCK_SLACK
    folders = [tree.source, *tree.root.glob("objects*")]
    for folder in filter(Path.is_dir, folders):
        for path in (folder, *folder.iterdir()):
            if path.lstat().st_mtime > now:
                return str(path)
    return ""


def start_from_own(tree: BuildTree, product: str, *, progress: Callable[[str], None]) -> bool:
    """Start a flavour from a copy of the line's own objects, if they are newer than its own.

    The copy keeps the times, so make builds only what the other configuration changes. `product` is
    the file that a build makes last. Return whether there is a copy.
    """
    own = BuildTree(tree.root)
    scratch = tree.root / "copy"
    _remove(scratch)  # of a build that was interrupted
    if not _is_newer(own.objects / product, tree.objects / product):
        return False
    progress(f"kernel: copying the objects for the flavour {tree.flavour}")
    _remove(tree.objects)
    argv = ["cp", "-a", "--reflink=auto", str(own.objects), str(scratch)]
    status, output = output_of(argv, cwd=tree.root, deadline=_COPY_SECONDS)
    if status != 0:
        raise UserError(
            f"the objects cannot be copied: {(output.strip().splitlines() or [''])[-1]}",
            hint="run it by hand: " + " ".join(argv),
        )
    scratch.rename(tree.objects)  # the name appears when the copy is whole
    return True


def _is_newer(one: Path, other: Path) -> bool:
    """Whether a file was made after the other, or the other never was."""
    if not (one.is_file() and other.is_file()):
        return one.is_file()
    return one.stat().st_mtime > other.stat().st_mtime


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _check_framework(stage: Stage) -> None:
    if not stage.series.commits:  # the stock kernel, which nothing stands on
        return
    if not (stage.path / FRAMEWORK).is_file() and stage.original(FRAMEWORK) is None:
        raise UserError(
            f"the source of {stage.series.line} has no user mode driver framework ({FRAMEWORK})",
            hint="mainline has it from 5.9 to 6.16, and removed it in 6.17: take an older line or "
            "add it to the series",
        )


def _sync(tree: BuildTree, stage: Path, *, digest: str, removed: set[str]) -> list[str]:
    """Bring the source to the stage's content; keep what is needed to undo that.

    Return the names of the files that changed.
    """
    wanted = {str(path.relative_to(stage)) for path in stage.rglob("*") if path.is_file()}
    new = {name for name in wanted if tree.original(name) is None}
    former = tree.added()
    # Written first: after a crash, our files must not look like the tarball's.
    tree.note_content(digest, former | new)
    changed = sorted(former - new)
    for name in changed:
        _drop(tree, name)
    for name in sorted(wanted - new | removed):
        if not (tree.pristine / name).is_file():
            _keep_pristine(tree, name)
    for path in sorted(tree.pristine.rglob("*")) if tree.pristine.is_dir() else ():
        name = str(path.relative_to(tree.pristine))
        is_ours = name in wanted | removed
        if path.is_file() and not is_ours and _write_if_different(path, tree.source / name):
            changed.append(name)
    for name in sorted(removed):
        if (tree.source / name).exists():
            changed.append(name)
        _drop(tree, name)
    for name in sorted(wanted):
        if _write_if_different(stage / name, tree.source / name):
            changed.append(name)
    tree.note_content(digest, new)
    return changed


def _keep_pristine(tree: BuildTree, name: str) -> None:
    scratch = tree.root / "pristine.new"
    copy_new(tree.source / name, scratch)
    (tree.pristine / name).parent.mkdir(parents=True, exist_ok=True)
    scratch.rename(tree.pristine / name)


def _write_if_different(wanted: Path, target: Path) -> bool:
    """Write the target unless it has that content; return whether it was written."""
    if target.is_file() and filecmp.cmp(wanted, target, shallow=False):
        return False
    copy_new(wanted, target)
    return True


def _drop(tree: BuildTree, name: str) -> None:
    path = tree.source / name
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == tree.source or any(folder.iterdir()):
            return
        folder.rmdir()
