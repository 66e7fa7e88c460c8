# SPDX-License-Identifier: GPL-2.0-only
"""Notes: small JSON files, each with one declared type. A damaged note counts as missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from harness.host.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


def read_note(path: Path, kind: type[T]) -> T | None:
    """Return the note, or None where it is missing, cut short or not of that type."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def write_note(path: Path, value: object) -> None:
    """Write the note atomically. Raises OSError."""
    write_atomically(path, msgspec.json.format(msgspec.json.encode(value), indent=1))
