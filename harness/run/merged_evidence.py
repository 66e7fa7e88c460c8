# SPDX-License-Identifier: GPL-2.0-only
"""The evidence of runs that become one: its files get further names, or its folders are moved."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from harness.host.errors import UserError
from harness.host.files import sync_tree
from harness.results.run_name import LATEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from harness.results.recorded_run import RecordedRun


class _Folder(NamedTuple):
    """A folder that is open."""

    path: str
    fd: int


def link_folders(source: str, target: str, names: Iterable[str]) -> None:
    """Link or copy the files in these folders of `source` to `target`. Raises OSError.

    A folder that is not there is left out.
    """
    if not os.path.isdir(source):  # noqa: PTH112 - as in _link_folder
        return
    with _opened(source) as here, _opened(target) as there:
        for name in names:
            _link_folder(here, there, name)


@contextmanager
def moved_folders(pairs: Sequence[tuple[str, str]]) -> Iterator[None]:
    """Move the first folder of each pair to the second. Raises OSError.

    If that fails or is interrupted, or if the block is, each folder is moved back. To another disk,
    folders are copied.
    """
    try:
        for source, target in pairs:
            _move(source, target)
        yield
    except BaseException:
        for source, target in pairs:
            with suppress(OSError):  # it was not moved, or is a copy
                os.rename(target, source)  # noqa: PTH104 - as below
        raise


def link(source: str, target: str) -> None:
    """Give a file a further name, or copy it to another disk."""
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without such names
        shutil.copy2(source, target)


def is_begun(target: Path) -> bool:
    """Whether a merge that moves was killed there. The same merge then goes on with it."""
    return (target / "cells").is_dir() and not (target / "run.json").exists()


def check_place(parts: Iterable[RecordedRun], target: Path) -> None:
    """Raise UserError if the target is in a folder that is to be removed."""
    for part in parts:
        if target.resolve().is_relative_to(part.path):
            raise UserError(
                f"{target} is in the run {part.name}, which --move removes",
                hint="name another folder with --output",
            )


def remove_runs(parts: Sequence[RecordedRun], target: Path) -> None:
    """Remove runs whose evidence was moved, and `latest` if it was one of them. Raises OSError."""
    disk = target.stat().st_dev
    if any(part.path.stat().st_dev != disk for part in parts):
        sync_tree(target)  # the evidence was copied
    for part in parts:
        shutil.rmtree(part.path)
        latest = part.path.parent / LATEST
        if latest.is_symlink() and not latest.exists():
            latest.unlink()


@contextmanager
def _opened(folder: str) -> Iterator[_Folder]:
    fd = os.open(folder, os.O_PATH)
    try:
        yield _Folder(folder, fd)
    finally:
        os.close(fd)


def _link_folder(here: _Folder, there: _Folder, name: str) -> None:
    """Link or copy the files of a folder in `here` to that in `there`, if the first is there.

    The paths are text, because a `Path` for each takes as long as the link. They begin at a
    folder that is open, so that the kernel does not look up all that is above it.
    """
    try:
        entries = os.scandir(f"{here.path}/{name}")
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        with suppress(FileExistsError):  # a merge that was killed has made it
            os.mkdir(name, dir_fd=there.fd)
        for entry in entries:
            file = f"{name}/{entry.name}"
            try:
                os.link(file, file, src_dir_fd=here.fd, dst_dir_fd=there.fd, follow_symlinks=False)
            except OSError:  # another disk, or one without such names
                shutil.copy2(f"{here.path}/{file}", f"{there.path}/{file}")


def _move(source: str, target: str) -> None:
    try:
        os.rename(source, target)  # noqa: PTH104 - see above
    except FileNotFoundError:  # it is not there, or a merge that was killed has moved it
        pass
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        folder, name = os.path.split(source)
        link_folders(folder, os.path.dirname(target), [name])  # noqa: PTH120 - as in _link_folder
