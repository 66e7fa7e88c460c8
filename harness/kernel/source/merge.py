# SPDX-License-Identifier: GPL-2.0-only
"""The three-way merge of one file, by `git merge-file`, and of lists that it cannot merge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.host.commands import output_of
from harness.host.errors import UserError
from harness.kernel.source.git_apply import git_environment
from harness.kernel.source.lists import Conflict, both, same_numbers

_SIZE = 40  # characters of a conflict marker; a line of equal signs in a text has fewer or more
_HERE, _BASE, _THERE = "here", "base", "there"
_MARKERS = {
    f"{'<' * _SIZE} {_HERE}": _HERE,
    f"{'|' * _SIZE} {_BASE}": _BASE,
    "=" * _SIZE: _THERE,
}
_END = f"{'>' * _SIZE} {_THERE}"
_MOST_CONFLICTS = 127  # a higher exit status of git is an error


@dataclass(frozen=True)
class Merged:
    """A file that was merged, and the numbers of the lines at which both sides added to a list.

    `twice` has the names that were added there with the same number.
    """

    text: bytes
    lists: tuple[int, ...] = ()
    twice: tuple[str, ...] = ()


def merge(name: str, here: bytes, base: bytes, there: bytes) -> Merged | Conflict:
    """Merge the changes from `base` to `here` with those from `base` to `there`.

    Lines that both sides add at the same place are both kept if `name` has a list there, those of
    `here` first. Any other conflict is returned.
    """
    pieces = _pieces(_merged(here, base, there))
    lines: list[str] = []
    lists, twice = [], []
    for piece in pieces:
        if isinstance(piece, str):
            lines.append(piece)
            continue
        kept = both(name, piece, before=lines[-1] if lines else "")
        if kept is None:
            return piece
        lists.append(len(lines) + 1)
        twice += same_numbers(kept)
        lines += kept
    text = "".join(lines).encode(errors="surrogateescape")
    return Merged(text, tuple(lists), tuple(twice))


def _merged(here: bytes, base: bytes, there: bytes) -> str:
    """Return what `git merge-file` makes of the three, with markers around conflicts."""
    with TemporaryDirectory() as scratch:
        sides = {_HERE: here, _BASE: base, _THERE: there}
        for label, content in sides.items():
            (Path(scratch) / label).write_bytes(content)
        argv = ["git", "merge-file", "--quiet", "--diff3", f"--marker-size={_SIZE}"]
        argv += [word for label in sides for word in ("-L", label)]
        env = git_environment(Path(scratch))
        status, said = output_of([*argv, *sides], cwd=Path(scratch), env=env)
        if status > _MOST_CONFLICTS:
            raise UserError(f"git cannot merge: {' '.join(said.split())}", hint="rebase the patch")
        return (Path(scratch) / _HERE).read_bytes().decode(errors="surrogateescape")


def _pieces(text: str) -> list[str | Conflict]:
    """Return the lines of a merged text, with the conflicts among them."""
    found: list[str | Conflict] = []
    sides: dict[str, list[str]] = {}
    side = ""
    for line in text.splitlines(keepends=True):
        mark = line.rstrip("\r\n")
        if mark in _MARKERS:
            side = _MARKERS[mark]
            sides[side] = []
        elif mark == _END:
            found.append(Conflict(*(tuple(sides[one]) for one in (_HERE, _BASE, _THERE))))
            side = ""
        elif side:
            sides[side].append(line)
        else:
            found.append(line)
    return found
