# SPDX-License-Identifier: GPL-2.0-only
"""Files and folders that are whole or absent after a crash: made aside, synced, then renamed."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRATCH = ".new-"
"""How the names of scratch folders begin. A process that was killed leaves them."""

_MANY = 500  # files; to sync each of more takes longer than to sync all disks


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file so that readers, also after a crash, see its old content or the new one.

    Its folder must exist: a folder that is removed meanwhile stays removed. Text becomes
    UTF-8; characters that UTF-8 cannot encode are escaped. Raises OSError, whose `filename` is
    `path`.
    """
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    scratch = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        try:
            with scratch.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        error.filename = str(path)  # a failed write names no file, the others name the scratch file
        raise


def write_all(file: int, content: bytes, *, at: int) -> None:
    """Continue after a short write, so that the disk says why it takes no more. Raises OSError."""
    while content:
        written = os.pwrite(file, content, at)
        content, at = content[written:], at + written


def copy_new(source: Path, target: Path) -> None:
    """Copy content and mode into a new file, with the time of now.

    A file that is there is replaced, not written to: it may have other names.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copyfile(source, target)
    shutil.copymode(source, target)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk. Without this, a crash may undo a rename."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_tree(folder: Path) -> None:
    """Bring all files below a folder, and the names in it, to the disk."""
    found = [(Path(where), names) for where, _, names in os.walk(folder, topdown=False)]
    if sum(len(names) for _, names in found) > _MANY:
        os.sync()
        return
    for where, names in found:
        for path in (where / name for name in names):
            if path.is_file() and not path.is_symlink():
                _sync_file(path)
        sync_folder(where)


@contextmanager
def folder_aside(target: Path, *, mode: int = 0o777) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `target` where the block ends well.

    The yielded folder's parent is scratch space on the same disk, and is removed at the end.
    """
    with TemporaryDirectory(
        dir=target.parent, prefix=SCRATCH, ignore_cleanup_errors=True
    ) as scratch:
        new = Path(scratch) / "new"
        new.mkdir(mode=mode)
        yield new
        sync_tree(new)
        if target.exists():
            target.rename(Path(scratch) / "old")
        new.rename(target)
        sync_folder(target.parent)


def remove_scratch(folder: Path) -> None:
    """Remove the scratch folders in `folder`. The caller holds the lock of all that make some."""
    for leftover in folder.glob(f"{SCRATCH}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _sync_file(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
