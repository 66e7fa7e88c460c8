# SPDX-License-Identifier: GPL-2.0-only
"""Files that are whole or absent after a crash: written aside, synced, then renamed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file so that readers, also after a crash, see its old content or the new one.

    A missing folder is made. Text becomes UTF-8; characters that UTF-8 cannot encode are escaped.
    Raises OSError, whose `filename` is `path`.
    """
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    scratch = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
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


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk. Without this, a crash may undo a rename."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_tree(folder: Path) -> None:
    """Bring all files below a folder, and the names in it, to the disk."""
    for directory, _, names in os.walk(folder, topdown=False):
        for path in (Path(directory, name) for name in names):
            if path.is_file() and not path.is_symlink():
                _sync_file(path)
        sync_folder(Path(directory))


def _sync_file(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
