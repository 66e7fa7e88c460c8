# SPDX-License-Identifier: GPL-2.0-only
"""The evidence of runs that become one: its files get further names, or its folders are moved."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from harness.host.errors import UserError
from harness.host.files import sync_tree
from harness.results.run_name import LATEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from harness.results.recorded_run import RecordedRun


def link_folders(pairs: Iterable[tuple[str, str]]) -> None:
    """Give each file in the first folder of a pair a name in the second. Raises OSError."""
    for source, target in pairs:
        _link_folder(source, target)


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


def _link_folder(source: str, target: str) -> None:
    """Link or copy the files of a folder, if the folder is there.

    The paths are text, because a `Path` for each takes as long as the link.
    """
    try:
        entries = os.scandir(source)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        with suppress(FileExistsError):  # a merge that was killed has made it
            os.mkdir(target)  # noqa: PTH102 - see above
        for entry in entries:
            link(entry.path, f"{target}/{entry.name}")


def _move(source: str, target: str) -> None:
    try:
        os.rename(source, target)  # noqa: PTH104 - see above
    except FileNotFoundError:  # it is not there, or a merge that was killed has moved it
        pass
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _link_folder(source, target)
