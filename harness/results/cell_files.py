# SPDX-License-Identifier: GPL-2.0-only
"""The files of a cell: its outcome, the tallies, the system calls, the console, a traceback."""

from __future__ import annotations

from dataclasses import replace
from io import FileIO
from typing import TYPE_CHECKING, Any, TypeVar

from harness.host.files import write_atomically
from harness.model.cell import Outcome
from harness.results.records import decoded, json_text

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

OUTCOME, WITNESS, ATTEMPT = "outcome.json", "witness.json", "attempt.json"
CONSOLE, TRACEBACK = "console.txt", "traceback.txt"


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Write a cell's files. outcome.json comes last and makes the others count. Raises OSError.

    traceback.txt is there only if Python raised an error.

    Only outcome.json is synced: syncing all would slow each cell down. Where a crash
    tears another JSON file, reading that file is refused.
    """
    folder.mkdir(exist_ok=True)  # without parents: a run that was removed stays so
    _write(folder / WITNESS, json_text(outcome.witness, otherwise=str))
    _write(folder / ATTEMPT, json_text(outcome.attempt, otherwise=str))
    _write(folder / CONSOLE, outcome.console)
    if outcome.traceback:
        _write(folder / TRACEBACK, outcome.traceback)
    else:
        (folder / TRACEBACK).unlink(missing_ok=True)
    rest = replace(outcome, witness={}, attempt=[], console="", traceback="")
    write_atomically(folder / OUTCOME, json_text(rest))


def rewrite_outcome(folder: Path, outcome: Outcome) -> None:
    """Write outcome.json beside the other files of a cell, not synced. Raises OSError."""
    rest = replace(outcome, witness={}, attempt=[], console="", traceback="")
    (folder / OUTCOME).write_text(json_text(rest))


def read_outcome(folder: Path) -> Outcome | None:
    """Return what `write_outcome` has written, or None if it has not ended.

    Raises UserError for a file that is damaged.
    """
    try:
        rest = _read(f"{folder}/{OUTCOME}", Outcome)
    except FileNotFoundError:
        return None
    return replace(
        rest,
        witness=_read(f"{folder}/{WITNESS}", dict[str, Any]),
        attempt=_read(f"{folder}/{ATTEMPT}", list[dict[str, Any]]),
        console=_content(f"{folder}/{CONSOLE}").decode(),
        traceback=_traceback(folder),
    )


def _traceback(folder: Path) -> str:
    try:
        return _content(f"{folder}/{TRACEBACK}").decode()
    except FileNotFoundError:
        return ""


def _read(path: str, kind: type[T]) -> T:
    hint = f"remove {path.rpartition('/')[0]}, and run the cell again"
    return decoded(_content(path), kind, path=path, hint=hint)


def _content(path: str) -> bytes:
    """Return a file's bytes. A `Path` would take as long again, and a report reads every cell's."""
    with FileIO(path) as file:
        return file.readall()


def _write(path: Path, content: str) -> None:
    try:
        path.write_text(content, "utf-8", errors="backslashreplace")
    except OSError as error:
        error.filename = str(path)  # a failed write names no file
        raise
