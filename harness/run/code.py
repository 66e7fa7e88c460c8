# SPDX-License-Identifier: GPL-2.0-only
"""The hash of the harness's code that takes part in verdicts: a run records it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from harness.host.paths import GUEST_IMAGES, PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDERS = (
    "attacker",
    "brought",
    "engines",
    "guests",
    "host",
    "judge",
    "lab",
    "model",
    "results",
    "run",
    "scenarios",
    "vm",
    "witness",
)
"""The folders of `harness/` that count. The kernel's are in the key of its image."""


def code_digest() -> str:
    """Return the SHA-256 of the code that runs cells and judges them, guests' sources included."""
    total = hashlib.sha256()
    for name, path in sorted((*code_files(), *_guest_files())):
        content = path.read_bytes()
        total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def code_files() -> Iterator[tuple[str, Path]]:
    """Yield each file of the harness that counts, after its name in the package."""
    for folder in FOLDERS:
        for path in (PACKAGE / folder).rglob("*"):
            if path.suffix in (".py", ".toml"):
                yield str(path.relative_to(PACKAGE)), path


def _guest_files() -> Iterator[tuple[str, Path]]:
    """Yield each source of the guests, after its name."""
    for path in GUEST_IMAGES.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield f"{GUEST_IMAGES.name}/{path.relative_to(GUEST_IMAGES)}", path
