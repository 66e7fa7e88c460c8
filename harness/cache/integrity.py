# SPDX-License-Identifier: GPL-2.0-only
"""Whether what is in the cache is whole: sizes and hashes, noted when it was made."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SEAL = "seal.json"

_HASHED = 16 << 20
"""Bytes up to which a file is hashed, at every start: not a state's RAM, whose reading takes longer
than a cell. What is wrong in there shows in the reference cells."""


def seal(directory: Path) -> None:
    """Note what the files in the directory are, as its last one."""
    (directory / SEAL).write_text(json.dumps(_facts(directory)) + "\n")


def is_sealed(directory: Path) -> bool:
    """Whether the directory's files are what they were when it was sealed."""
    try:
        return bool(json.loads((directory / SEAL).read_text()) == _facts(directory))
    except (OSError, ValueError):
        return False


def _facts(directory: Path) -> dict[str, list[int | str]]:
    """Size in bytes and SHA-256 of each file."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != SEAL)
    return {str(path.relative_to(directory)): [path.stat().st_size, _hash(path)] for path in files}


def _hash(path: Path) -> str:
    if path.stat().st_size > _HASHED:
        return ""
    return hashlib.sha256(path.read_bytes()).hexdigest()
