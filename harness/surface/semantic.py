# SPDX-License-Identifier: GPL-2.0-only
"""Semantic searches of the C source: Coccinelle's spatch over the compiled files."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cache.notes import read_note, write_note
from harness.cache.places import SURFACE
from harness.host.commands import output_of
from harness.host.errors import UserError

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Sequence

    from harness.surface.tree import KernelTree

_DEADLINE = 900.0  # seconds for one share of the files; all of a patch take 30 s on an idle core
_FIELDS = 6
_FILE = 4


@dataclass(frozen=True)
class Match:
    """A match that a semantic patch prints: the match, its function and its place."""

    kind: str
    function: str
    what: str
    variable: str
    file: str
    line: int


def search(
    tree: KernelTree, patch: str, *, worth: re.Pattern[str], headers: bool = False
) -> list[Match]:
    """Run one of our semantic patches over the compiled files in which `worth` matches.

    With `headers`, their headers are searched as well.

    The matches of each file are kept, so that only changed files are searched again. Raises
    UserError if spatch is missing or fails.
    """
    names = (*tree.compiled, *tree.headers) if headers else tree.compiled
    files = [name for name in names if worth.search(tree.text(name))]
    rules = Path(__file__).parent / patch
    note = SURFACE.path() / f"{_digest(rules.read_text())}.json"
    found = read_note(note, dict[str, list[list[str]]]) or {}
    keys = {name: _digest(name, tree.text(name)) for name in files}
    unknown = [name for name, key in keys.items() if key not in found]
    shares = [share for i in range(_processes()) if (share := unknown[i :: _processes()])]
    with ThreadPoolExecutor(max_workers=len(shares) or 1) as pool:
        outputs = pool.map(lambda share: _run(tree, rules, share), shares)
        found.update({keys[name]: [] for name in unknown})
        for fields in (fields for output in outputs for fields in _fields(output)):
            found[keys[fields[_FILE]]].append(fields)
    if unknown:
        write_note(note, found)
    return sorted((_match(f) for name in files for f in found[keys[name]]), key=_place)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _processes() -> int:
    return os.cpu_count() or 1


def _run(tree: KernelTree, rules: Path, files: Sequence[str]) -> str:
    argv = ["spatch", "--very-quiet", "--no-includes", "--sp-file", str(rules), *files]
    status, output = output_of(argv, cwd=tree.source, deadline=_DEADLINE)
    if status != 0:
        raise UserError(
            f"spatch failed on {tree.source}: {(output.strip().splitlines() or [''])[-1]}",
            hint=f"run it by hand with --sp-file {rules}",
        )
    return output


def _fields(output: str) -> Iterable[list[str]]:
    """Return the lines of our semantic patches, without spatch's own messages."""
    lines = (text.split("\t") for text in output.splitlines())
    return (fields for fields in lines if len(fields) == _FIELDS)


def _match(fields: Sequence[str]) -> Match:
    kind, function, what, variable, file, line = fields
    return Match(kind, function, what, variable, file, int(line))


def _place(match: Match) -> tuple[str, int, str]:
    return match.file, match.line, match.what
