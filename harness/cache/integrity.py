# SPDX-License-Identifier: GPL-2.0-only
"""Whether a folder of the cache is whole: sizes and hashes of its files, noted when it was made."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from harness.cache.notes import read_note, write_note

if TYPE_CHECKING:
    from pathlib import Path

SEAL = "seal.json"
"""The name of the note in each such folder."""

_HASHED = 16 << 20
"""The largest file in bytes that is hashed, at each look-up. Larger ones, such as a state's RAM,
take longer to read than a cell; damage in them shows in the reference cells."""


def seal(directory: Path) -> None:
    """Note the sizes and hashes of the files in the directory, as the last file that is written."""
    write_note(directory / SEAL, _facts(directory))


def is_sealed(directory: Path) -> bool:
    """Whether the directory's files are what they were when it was sealed."""
    try:
        noted = read_note(directory / SEAL, dict[str, tuple[int, str]])
        return noted is not None and noted == _facts(directory)
    except OSError:
        return False


def _facts(directory: Path) -> dict[str, tuple[int, str]]:
    """Return size in bytes and SHA-256 of each file; the hash of a large one is empty."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != SEAL)
    return {str(path.relative_to(directory)): (path.stat().st_size, _hash(path)) for path in files}


def _hash(path: Path) -> str:
    if path.stat().st_size > _HASHED:
        return ""
    return hashlib.sha256(path.read_bytes()).hexdigest()
