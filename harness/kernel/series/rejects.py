# SPDX-License-Identifier: GPL-2.0-only
"""Why a patch does not apply, in a line: which hunk of which file, what it expects, what is there.

All of it is read from what patch(1) says and rejects; nothing here applies a patch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_FILE = re.compile(r"(?:patching|checking) (?:symbolic link|file) '?([^']+?)'?(?: \(.*\))?$")
_REJECTED = re.compile(r"--- (?:a/)?(\S+)")
_HUNK = re.compile(r"Hunk #(\d+) FAILED at (\d+)")
_APPLIED = "Reversed (or previously applied) patch detected"
_REACH = 200  # lines around its place in which something like a hunk is looked for


@dataclass(frozen=True)
class Hunk:
    """A hunk that was rejected: its number and line, and the lines that it expects there."""

    file: str
    number: int
    line: int
    expected: tuple[str, ...] = ()


def why_rejected(said: str, rejects: str, *, where: Path, only: str = "") -> str:
    """Return the reason, from what patch(1) said and rejected when it ran in the folder `where`.

    With `only`, it is the reason why it rejected the changes of that file.
    """
    if only:
        said = _section(said.splitlines(), _FILE, only) or said
        rejects = _section(rejects.splitlines(), _REJECTED, only)
    hunk = first_rejected(said, rejects)
    if hunk is None:
        return _missing(said) or (said.strip().splitlines() or ["patch gave no reason"])[-1]
    if not hunk.number:
        return f"{hunk.file} looks as if it were changed already"
    place = f"hunk {hunk.number} of {hunk.file}, at line {hunk.line}"
    path = where / hunk.file
    there = path.read_text(errors="replace").splitlines() if path.is_file() else []
    return f"{place}: {_difference(hunk, there)}" if hunk.expected else place


def _section(lines: Sequence[str], heading: re.Pattern[str], file: str) -> str:
    """Return the lines from the heading for that file to the next heading."""
    kept, is_wanted = [], False
    for text in lines:
        if match := heading.match(text):
            is_wanted = match[1] == file
        if is_wanted:
            kept.append(text)
    return "\n".join(kept)


def first_rejected(said: str, rejects: str) -> Hunk | None:
    """Return the first hunk that patch(1) rejected, if one was; 0 if all of a file were."""
    file = ""
    for text in said.splitlines():
        if match := _FILE.match(text):
            file = match[1]
        if text.startswith(_APPLIED):
            return Hunk(file, 0, 0)
        if match := _HUNK.match(text):
            return Hunk(file, int(match[1]), int(match[2]), _expected(rejects.splitlines()))
    return None


def _expected(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the lines of the first rejected hunk which should be in the file."""
    starts = [number for number, text in enumerate(lines) if text.startswith("@@ ")]
    found = []
    for text in lines[starts[0] + 1 :] if starts else ():
        if not text.startswith((" ", "-", "+")) or text.startswith(("--- ", "+++ ")):
            break
        if text[0] != "+":
            found.append(text[1:])
    return tuple(found)


def _difference(hunk: Hunk, there: Sequence[str]) -> str:
    """Say the first line that is not as expected, at the place that is most like the hunk."""

    def alike(start: int) -> tuple[int, int]:
        pairs = zip(hunk.expected, there[start:], strict=False)
        return sum(text == other for text, other in pairs), -abs(start + 1 - hunk.line)

    near = range(max(0, hunk.line - _REACH), max(1, min(len(there), hunk.line + _REACH)))
    best = max(near, key=alike, default=0)
    if alike(best)[0] == 0:
        best = hunk.line - 1
    for offset, text in enumerate(hunk.expected):
        number = best + offset
        if number >= len(there):
            return f"`{text.strip()}` was expected, and the file ends at line {len(there)}"
        if there[number] != text:
            found = there[number].strip()
            if found == text.strip():
                return f"line {number + 1} was expected with other white space, `{found}`"
            return f"line {number + 1} was expected to be `{text.strip()}`, and is `{found}`"
    return f"its lines are at line {best + 1}, and the patch has them at an end of the file"


def _missing(said: str) -> str:
    """Say which file a patch changes that is not there, if that is why."""
    for text in said.splitlines():
        if text.startswith("|+++ "):
            name = text[5:].split()[0]
            return f"it changes {name.partition('/')[2] or name}, which is not there"
    return ""
