# SPDX-License-Identifier: GPL-2.0-only
"""The hashes of the files that a user brings, by which a run knows later whether they changed."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def digests(files: Sequence[Path]) -> dict[str, str]:
    """Return the SHA-256 of each file, and of the modules that it imported from its folder."""
    paths = dict.fromkeys([*files, *_imported(files)])
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in paths}


def changed(known: Mapping[str, str]) -> str:
    """Return the path of the first file that is gone or has another SHA-256; empty if none has."""
    for path, digest in known.items():
        try:
            content = Path(path).read_bytes()
        except OSError:
            return path
        if sha256(content).hexdigest() != digest:
            return path
    return ""


def _imported(files: Sequence[Path]) -> Iterator[Path]:
    """Yield the modules in the folders of the Python files that have been imported."""
    folders = {file.resolve().parent: file.parent for file in files if file.suffix == ".py"}
    for module in list(sys.modules.values()):
        path = Path(getattr(module, "__file__", None) or "")
        if path.parent in folders:
            yield folders[path.parent] / path.name
