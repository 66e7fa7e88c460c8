# SPDX-License-Identifier: GPL-2.0-only
"""Checks of a path that a user names for output, before the work whose output goes there."""

from __future__ import annotations

import os
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from harness.host.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def check_output_file(path: Path) -> None:
    """Raise UserError if no file can be written at `path`. Nothing is written or made."""
    hint = "name a file in an existing directory with --output"
    if path.is_dir():
        raise UserError(f"{path} is a directory", hint=hint)
    _check_parent(path, hint)
    if path.exists() and not os.access(path, os.W_OK):
        raise UserError(f"{path} is not yours to write", hint="name another file with --output")


def check_output_folder(path: Path) -> None:
    """Raise UserError if `path` is neither a folder nor a new name in an existing folder."""
    hint = "name a folder, or a new name in an existing directory, with --output-directory"
    if path.is_dir():
        return
    if path.exists():
        raise UserError(f"{path} is not a directory", hint=hint)
    _check_parent(path, hint)


def check_results_root(root: Path) -> None:
    """Raise UserError if no folder can be made below `root`. A scratch folder is made and removed.

    If `root` is missing, its nearest ancestor that is there is tried.
    """
    place = root.absolute()
    while not os.path.lexists(place):
        place = place.parent
    try:
        with TemporaryDirectory(dir=place, prefix=".umd-harness-"):
            pass
    except OSError as error:
        raise UserError(
            f"results cannot be written to {root}: {error.strerror}",
            hint="make that folder writable, or name another with --results",
        ) from error


def _check_parent(path: Path, hint: str) -> None:
    if not path.parent.is_dir():
        raise UserError(f"{path} is in a directory that does not exist", hint=hint)
    if not path.exists() and not os.access(path.parent, os.W_OK | os.X_OK):
        raise UserError(f"{path.parent} is not yours to write", hint=hint)
