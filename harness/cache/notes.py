# SPDX-License-Identifier: GPL-2.0-only
"""Notes: small JSON files, each with one declared type. A damaged note counts as missing.

Python's `json` makes the text. It escapes lone surrogates, which msgspec's own encoder refuses: a
note may quote a guest, or name a file whose name is not UTF-8.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

import msgspec

from harness.host.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


def read_note(path: Path, kind: type[T]) -> T | None:
    """Return the note, or None where it is missing, cut short or not of that type."""
    try:
        return msgspec.convert(json.loads(path.read_bytes()), kind)
    except (FileNotFoundError, ValueError, RecursionError, msgspec.ValidationError):
        return None


def write_note(path: Path, value: object) -> None:
    """Write the note atomically; a missing folder is made. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(msgspec.to_builtins(value), indent=1))
