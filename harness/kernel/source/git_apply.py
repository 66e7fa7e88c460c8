# SPDX-License-Identifier: GPL-2.0-only
"""Parts of patches, by `git apply`: the files that a patch changes, and the changes to some."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.host.commands import clean_environment, output_of
from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_REJECTED = re.compile(r"^Rejected hunk #(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Rejected:
    """A hunk that does not fit: its number among those for its file, from 1, and its lines."""

    number: int
    text: str = ""


def git_environment(folder: Path) -> dict[str, str]:
    """Return an environment in which git takes neither configuration nor a repository around."""
    alone = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    return {**clean_environment(), **alone, "GIT_CEILING_DIRECTORIES": str(folder.parent)}


def patched_files(patch: Path, *, stage: Path) -> list[str]:
    """Return the files that a patch changes, adds or removes. Raises UserError."""
    names: dict[str, None] = {}
    for direction in ([], ["--reverse"]):  # reversed, it shows the old names of renamed files
        status, output = _git_apply(["--numstat", "-z", *direction], patch, stage=stage)
        if status != 0:
            raise UserError(f"{patch} is not a patch: {output.strip()}", hint="make it again")
        entries = (entry.split("\t") for entry in output.split("\0"))
        names |= dict.fromkeys(entry[2] for entry in entries if len(entry) == 3)
    return list(names)


def apply_to(names: Sequence[str], patch: Path, *, stage: Path) -> None:
    """Apply only the parts of a patch that change these files. Raises UserError."""
    if names and (output := why_not_applied(names, patch, stage=stage)):
        raise UserError(f"{patch} does not apply: {output}", hint="make it again")


def why_not_applied(names: Sequence[str], patch: Path, *, stage: Path) -> str:
    """Apply the parts of a patch that change these files; return why none of them apply, or ''."""
    status, output = _git_apply([f"--include={name}" for name in names], patch, stage=stage)
    return "" if status == 0 else output.strip() or "git gave no reason"


def apply_what_fits(name: str, patch: Path, *, stage: Path) -> list[Rejected]:
    """Apply the hunks for one file that fit; return the others.

    If git names no hunk, as for a file that is not there, the result has one with the number 0.
    """
    status, output = _git_apply(["--reject", f"--include={name}"], patch, stage=stage)
    rejects = stage / f"{name}.rej"
    text = rejects.read_text(errors="replace") if rejects.is_file() else ""
    rejects.unlink(missing_ok=True)
    numbers = [int(found) for found in _REJECTED.findall(output)]
    hunks = [f"\n{hunk}" for hunk in text.split("\n@@ ")[1:]]
    found = [Rejected(*pair) for pair in zip(numbers, hunks, strict=False)]
    return found if found or status == 0 else [Rejected(0)]


def _git_apply(arguments: Sequence[str], patch: Path, *, stage: Path) -> tuple[int, str]:
    argv = ["git", "apply", *arguments, str(patch)]
    return output_of(argv, cwd=stage, env=git_environment(stage))
