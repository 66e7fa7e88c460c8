# SPDX-License-Identifier: GPL-2.0-only
"""A kept build tree: unpacked once, then changed in few files to match a series.

make compares modification times. So a file is written only where its content differs, and files
that an earlier series changed are restored from pristine copies.
"""

from __future__ import annotations

import filecmp
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from harness.host.commands import clean_environment, output_of
from harness.host.errors import DoesNotBuild, UserError
from harness.kernel.series.rejects import why_rejected
from harness.kernel.source.build_tree import BuildTree
from harness.kernel.source.checkout import Checkout
from harness.kernel.source.tarball import unpack
from harness.kernel.source.tree_copy import bring

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.kernel.series.commits import Commit, Series
    from harness.kernel.source.tarball import Source

FRAMEWORK = "kernel/usermode_driver.c"
"""Mainline's user mode driver framework, which the library stands on (gone since 6.17)."""

_CLOCK_SLACK = 2.0
"""Seconds by which a file's time may be ahead: file systems have clocks of their own."""
_COPY_SECONDS = 600.0  # 1 GB; 10 s on an idle disk


def prepare(
    tree: BuildTree,
    *,
    source: Source | Checkout,
    series: Series,
    progress: Callable[[str], None],
    members: Sequence[str] = (),
) -> None:
    """Bring `tree.source` from any state to the tarball, or the user's tree, plus the series.

    With `members`, as `unpack` takes them, a new tree holds only that part of the tarball and the
    files that the series changes.
    """
    if newest := _from_the_future(tree):
        # make would take a file that changes now for older than its object.
        progress(f"source: the clock went back behind {newest}: building from nothing")
        _remove(tree.note)
    if isinstance(source, Checkout):
        bring(tree, source, progress=progress)
    elif tree.digest() != source.digest:
        progress(f"source: unpacking {source.tarball.name}")
        # Objects too: the tarball's times are older than theirs, so make would keep them.
        for stale in (tree.note, tree.pristine, *tree.root.glob("objects*")):
            _remove(stale)
        changed = series.changed_files() if members else ()
        unpack(source, tree.source, members=(*members, *changed))
        note_unpacked(tree, source)
    progress(f"source: applying {len(series.commits)} commits")
    stage = tree.root / "stage"
    _remove(stage)
    stage.mkdir()
    removed: set[str] = set()
    for commit in series.commits:
        _stage_commit(tree, stage, commit=commit, series=series, removed=removed)
    _check_framework(tree, stage, line=series.line)
    _sync(tree, stage, digest=source.digest, removed=removed)
    _remove(stage)


def note_unpacked(tree: BuildTree, source: Source) -> None:
    """Note that `tree.source` is the tarball, or all parts of it that are needed."""
    tree.note_content(source.digest, ())


def touched_files(series: Series) -> list[str]:
    """Return the files that the series adds or changes, relative to the tree's top, in order."""
    where = series.overlay
    names = {name for commit in series.commits for name in commit.overlay}
    for commit in series.commits:
        if commit.patch is not None:
            names |= set(_patched_files(commit.patch, stage=where))
        names |= {name for name, _ in commit.appended}
    return sorted(names)


def write_overlay(series: Series, target: Path) -> list[str]:
    """Write the files that the series adds, as its patches leave them; return their names."""
    added: set[str] = set()
    for commit in series.commits:
        for name in commit.overlay:
            _copy(series.overlay_file(name), target / name)
        added.update(commit.overlay)
        if commit.patch is not None:
            changed = added.intersection(_patched_files(commit.patch, stage=target))
            _apply_to(sorted(changed), commit.patch, stage=target)
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


def start_from_own(tree: BuildTree, *, progress: Callable[[str], None]) -> None:
    """Start a flavour without objects from a copy of the line's own objects, if there are any.

    The copy keeps the times, so make builds only what the other configuration changes.
    """
    own = BuildTree(tree.root)
    scratch = tree.root / "copy"
    _remove(scratch)  # of a build that was interrupted
    if tree.objects.is_dir() or not own.objects.is_dir():
        return
    progress(f"kernel: copying the objects for the flavour {tree.flavour}")
    argv = ["cp", "-a", "--reflink=auto", str(own.objects), str(scratch)]
    status, output = output_of(argv, cwd=tree.root, deadline=_COPY_SECONDS)
    if status != 0:
        raise UserError(
            f"the objects cannot be copied: {(output.strip().splitlines() or [''])[-1]}",
            hint="run it by hand: " + " ".join(argv),
        )
    scratch.rename(tree.objects)  # the name appears when the copy is whole


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    """Copy content and mode, but not the time: make must see the target as new."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    shutil.copymode(source, target)


def _original(tree: BuildTree, name: str) -> Path | None:
    """Return the file with the tarball's content; None if the tarball has no such file."""
    if (tree.pristine / name).is_file():
        return tree.pristine / name
    if name not in tree.added() and (tree.source / name).is_file():
        return tree.source / name
    return None


def _stage_commit(
    tree: BuildTree, stage: Path, *, commit: Commit, series: Series, removed: set[str]
) -> None:
    """Apply a commit to the stage; `removed` holds the files that the series removed so far."""
    for name in commit.overlay:
        if _original(tree, name) is not None:
            raise UserError(
                f"the overlay file {name} exists in the kernel source already",
                hint="change it by a patch; the overlay holds whole new files",
            )
        _copy(series.overlay_file(name), stage / name)
    for name, text in commit.appended:
        _stage_original(tree, stage, name, removed=removed)
        with (stage / name).open("a") as file:
            file.write(text)
    if commit.patch is None:
        return
    patched = _patched_files(commit.patch, stage=stage)
    if commit.below:
        patched = [name for name in patched if name.startswith(commit.below)]
    for name in patched:
        _stage_original(tree, stage, name, removed=removed)
    if commit.below:
        _apply_to(patched, commit.patch, stage=stage)
    else:
        _apply(commit.patch, called=commit.origin, stage=stage, line=series.line)
    for name in patched:
        if (stage / name).exists():
            removed.discard(name)
        elif _original(tree, name) is not None:
            removed.add(name)


def _stage_original(tree: BuildTree, stage: Path, name: str, *, removed: set[str]) -> None:
    original = _original(tree, name)
    if original is not None and name not in removed and not (stage / name).exists():
        _copy(original, stage / name)


def _git_apply(arguments: Sequence[str], patch: Path, *, stage: Path) -> tuple[int, str]:
    # A cache inside some git checkout must not make git take the stage for its subfolder.
    env = {**clean_environment(), "GIT_CEILING_DIRECTORIES": str(stage.parent)}
    return output_of(["git", "apply", *arguments, str(patch)], cwd=stage, env=env)


def _apply_to(names: Sequence[str], patch: Path, *, stage: Path) -> None:
    """Apply only the parts of a patch that change these files."""
    if not names:
        return
    status, output = _git_apply([f"--include={name}" for name in names], patch, stage=stage)
    if status != 0:
        raise UserError(f"{patch} does not apply: {output.strip()}", hint="make it again")


def _patched_files(patch: Path, *, stage: Path) -> list[str]:
    names: dict[str, None] = {}
    for direction in ([], ["--reverse"]):  # reversed, it shows the old names of renamed files
        status, output = _git_apply(["--numstat", "-z", *direction], patch, stage=stage)
        if status != 0:
            raise UserError(f"{patch} is not a patch: {output.strip()}", hint="make it again")
        entries = (entry.split("\t") for entry in output.split("\0"))
        names |= dict.fromkeys(entry[2] for entry in entries if len(entry) == 3)
    return list(names)


def _apply(patch: Path, *, called: str, stage: Path, line: str) -> None:
    argv = ["patch", "-p1", "--batch", "--forward", "--fuzz=0", "--no-backup-if-mismatch"]
    rejects = stage.with_name("rejects")
    rejects.unlink(missing_ok=True)
    argv += [f"--reject-file={rejects}", "--input", str(patch)]
    status, output = output_of(argv, cwd=stage)
    if status != 0:
        rejected = rejects.read_text(errors="replace") if rejects.is_file() else ""
        raise DoesNotBuild(
            f"{called or patch.name} does not apply to the source of {line}: "
            f"{why_rejected(output, rejected, where=stage)}",
            hint="rebase it, or take another tree"
            if called
            else f"make {patch} again against that source",
        )


def _check_framework(tree: BuildTree, stage: Path, *, line: str) -> None:
    if not (stage / FRAMEWORK).is_file() and _original(tree, FRAMEWORK) is None:
        raise UserError(
            f"the source of {line} has no user mode driver framework ({FRAMEWORK})",
            hint="mainline has it from 5.9 to 6.16, and removed it in 6.17: take an older line or "
            "add it to the series",
        )


def _sync(tree: BuildTree, stage: Path, *, digest: str, removed: set[str]) -> None:
    """Bring the source to the stage's content; keep what is needed to undo that."""
    wanted = {str(path.relative_to(stage)) for path in stage.rglob("*") if path.is_file()}
    new = {name for name in wanted if _original(tree, name) is None}
    former = tree.added()
    # Written first: after a crash, our files must not look like the tarball's.
    tree.note_content(digest, former | new)
    for name in former - new:
        _drop(tree, name)
    for name in sorted(wanted - new | removed):
        if not (tree.pristine / name).is_file():
            _keep_pristine(tree, name)
    for path in sorted(tree.pristine.rglob("*")) if tree.pristine.is_dir() else ():
        name = str(path.relative_to(tree.pristine))
        if path.is_file() and name not in wanted | removed:
            _write_if_different(path, tree.source / name)
    for name in sorted(removed):
        _drop(tree, name)
    for name in sorted(wanted):
        _write_if_different(stage / name, tree.source / name)
    tree.note_content(digest, new)


def _keep_pristine(tree: BuildTree, name: str) -> None:
    scratch = tree.root / "pristine.new"
    _copy(tree.source / name, scratch)
    (tree.pristine / name).parent.mkdir(parents=True, exist_ok=True)
    scratch.rename(tree.pristine / name)


def _write_if_different(wanted: Path, target: Path) -> None:
    if not target.is_file() or not filecmp.cmp(wanted, target, shallow=False):
        _copy(wanted, target)


def _drop(tree: BuildTree, name: str) -> None:
    path = tree.source / name
    path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == tree.source or any(folder.iterdir()):
            return
        folder.rmdir()
