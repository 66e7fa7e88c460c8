# SPDX-License-Identifier: GPL-2.0-only
"""The patch series of a kernel line: which commit brings which overlay files and which patch."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WITNESS = "kernel/umd_witness/"
"""Where the witness lies; nothing outside may need it."""

_CHANGED = re.compile(r"^\+\+\+ b/(\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Commit:
    """One commit: whole new files, given relative to the overlay, and at most one patch.

    `witness_body` is the part of its message that is true only with the witness. `appended` has
    names of files and what goes to their ends: it fits any tree, where a patch fits one. `origin`
    is what the user calls a patch of theirs.
    """

    subject: str
    body: str
    overlay: tuple[str, ...]
    patch: Path | None
    witness_body: str = ""
    appended: tuple[tuple[str, str], ...] = ()
    origin: str = ""

    @property
    def message(self) -> str:
        """The whole commit message, without trailers."""
        parts = (self.subject, self.body.strip("\n"), self.witness_body.strip("\n"))
        return "\n\n".join(filter(None, parts)) + "\n"


@dataclass(frozen=True)
class Series:
    """A kernel line's commits, in order, and the handlers' programs that the tree builds."""

    line: str
    overlay: Path
    commits: tuple[Commit, ...]
    handlers: tuple[str, ...]

    def content(self) -> list[tuple[str, bytes]]:
        """Return all that the series does to a tree, in order, as named byte strings.

        Commit messages are left out: rewording one changes no image.
        """
        parts: list[tuple[str, bytes]] = []
        for commit in self.commits:
            parts += [(name, (self.overlay / name).read_bytes()) for name in commit.overlay]
            parts += [(f"end of {name}", text.encode()) for name, text in commit.appended]
            if commit.patch is not None:
                parts.append((f"patch {commit.patch.name}", commit.patch.read_bytes()))
        parts += [("handler", name.encode()) for name in self.handlers]
        return parts

    def without_witness(self) -> Series:
        """Return the series without its last commit and all that is said of it before."""
        *kept, witness = self.commits
        if not any(name.startswith(WITNESS) for name in witness.overlay):
            raise UserError(
                f"the last commit of {self.line}, “{witness.subject}”, is not the witness: "
                f"it adds nothing to {WITNESS}",
                hint="move the witness's commit to the end of series.toml",
            )
        commits = tuple(replace(commit, witness_body="") for commit in kept)
        handlers = tuple(name for name in self.handlers if not name.startswith(WITNESS))
        return replace(self, commits=commits, handlers=handlers)

    def changed_files(self) -> list[str]:
        """Return the files that the commits change, by their paths in the tree."""
        patches = [commit.patch.read_text() for commit in self.commits if commit.patch]
        appended = {name for commit in self.commits for name, _ in commit.appended}
        return sorted(appended.union(*map(_CHANGED.findall, patches)))

    def kconfig_content(self) -> list[tuple[str, bytes]]:
        """Return the part of the content that Kconfig may see: its own files and the patches."""
        return [
            (name, content)
            for name, content in self.content()
            if name.startswith("patch ") or "/Kconfig" in name
        ]


def _lines(patches: Path) -> list[str]:
    return sorted(path.parent.name for path in patches.glob("*/series.toml"))


def load_series(line: str, *, patches: Path) -> Series:
    """Read `<patches>/<line>/series.toml`; every overlay file belongs to exactly one commit."""
    path = patches / line / "series.toml"
    try:
        table = tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise UserError(
            f"there is no kernel line {line}: {path} is missing",
            hint=f"there is {', '.join(_lines(patches)) or 'none'}",
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not TOML: {error}", hint="mend that line") from error
    _check_keys(table, allowed={"commit", "handlers"}, where=str(path))
    overlay = patches / "overlay"
    commits = tuple(_commit(entry, path=path, overlay=overlay) for entry in table["commit"])
    _check_named_once(commits, path=path, overlay=overlay)
    return Series(line, overlay, commits, tuple(table.get("handlers", ())))


def _check_keys(table: Mapping[str, Any], *, allowed: set[str], where: str) -> None:
    unknown = sorted(table.keys() - allowed)
    if unknown:
        raise UserError(
            f"{where} has an unknown key `{unknown[0]}`",
            hint="known are: " + ", ".join(sorted(allowed)),
        )
    if "commit" in allowed and not table.get("commit"):
        raise UserError(f"{where} names no commit", hint="add a [[commit]] with a subject")


def _commit(entry: Mapping[str, Any], *, path: Path, overlay: Path) -> Commit:
    subject = str(entry.get("subject", ""))
    where = f"{path}, commit “{subject}”"
    _check_keys(entry, allowed={"subject", "body", "witness_body", "overlay", "patch"}, where=where)
    if not subject:
        raise UserError(f"{path} has a commit without a subject", hint="give it one")
    files = tuple(
        name
        for pattern in entry.get("overlay", ())
        for name in _matches(pattern, overlay=overlay, where=where)
    )
    patch = path.parent / entry["patch"] if "patch" in entry else None
    if patch is not None and not patch.is_file():
        raise UserError(f"{where} names {patch.name}, which is missing", hint=f"add {patch}")
    body, witness_body = (str(entry.get(key, "")) for key in ("body", "witness_body"))
    return Commit(subject, body, files, patch, witness_body)


def _matches(pattern: str, *, overlay: Path, where: str) -> list[str]:
    found = sorted(
        str(path.relative_to(overlay)) for path in overlay.glob(pattern) if path.is_file()
    )
    if not found:
        raise UserError(
            f"{where} names {pattern}, which matches no file under {overlay}",
            hint="correct the name, or remove it from the commit",
        )
    return found


def _check_named_once(commits: tuple[Commit, ...], *, path: Path, overlay: Path) -> None:
    named = Counter(name for commit in commits for name in commit.overlay)
    twice = sorted(name for name, count in named.items() if count > 1)
    if twice:
        raise UserError(
            f"{path} names {twice[0]} in more than one commit",
            hint="a file is added by one commit; keep one of them",
        )
    present = {str(file.relative_to(overlay)) for file in overlay.rglob("*") if file.is_file()}
    unnamed = sorted(present - named.keys())
    if unnamed:
        raise UserError(
            f"no commit of {path} names the overlay file {unnamed[0]}",
            hint="name it in the commit that adds it, or remove the file",
        )
