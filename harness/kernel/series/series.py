# SPDX-License-Identifier: GPL-2.0-only
"""The patch series of a kernel line: which commit brings which overlay files and which patch."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_LINE = "6.12"
"""The kernel line that commands take unless `--line` names another."""

WITNESS = "kernel/umd_witness/"
"""Where the witness lies; nothing outside may need it."""

_KEYS = {"commit", "handlers", "lacks", "like", "source", "until"}
_CHANGED = re.compile(r"^\+\+\+ b/(\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class SourcePackage:
    """A Debian package that holds a kernel's source, and the suite that it is taken from."""

    name: str
    suite: str

    def __str__(self) -> str:
        """Return how messages name it."""
        return f"{self.name} of {self.suite}"


@dataclass(frozen=True)
class Commit:
    """One commit: whole new files, given relative to the overlay, and at most one patch.

    The patch comes after the files, and may change them too.
    `witness_body` is the part of its message that is true only with the witness. `appended` has
    names of files and what goes to their ends: it fits any tree, where a patch fits one. `below`
    leaves of the patch what concerns files whose paths begin so. `origin` is what the user calls a
    patch of theirs.
    """

    subject: str
    body: str
    overlay: tuple[str, ...]
    patch: Path | None
    witness_body: str = ""
    appended: tuple[tuple[str, str], ...] = ()
    below: str = ""
    origin: str = ""

    def changed_files(self) -> list[str]:
        """Return the files that it appends to, or its patch changes or adds, by their paths."""
        patched = _CHANGED.findall(self.patch.read_text()) if self.patch else []
        kept = (name for name in patched if name.startswith(self.below))
        return [*(name for name, _ in self.appended), *kept]

    def files(self) -> tuple[str, ...]:
        """Return all files that it brings or changes."""
        return (*self.overlay, *self.changed_files())

    @property
    def message(self) -> str:
        """The whole commit message, without trailers."""
        parts = (self.subject, self.body.strip("\n"), self.witness_body.strip("\n"))
        return "\n\n".join(filter(None, parts)) + "\n"


@dataclass(frozen=True)
class Series:
    """A kernel line's commits, in order, and the handlers' programs that the tree builds.

    `own` is an overlay of this line's alone. `config` is its configuration fragment, if it has
    one; `lacks` has the options of ours that it does not have, each with the reason.
    """

    line: str
    overlay: Path
    commits: tuple[Commit, ...]
    handlers: tuple[str, ...]
    own: Path | None = None
    config: Path | None = None
    lacks: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def overlay_file(self, name: str) -> Path:
        """Return where the overlay file lies that will have this path in the tree."""
        if self.own is not None and (self.own / name).is_file():
            return self.own / name
        return self.overlay / name

    def fragments(self, names: Iterable[str]) -> tuple[Path, ...]:
        """Return the shared configuration fragments of these names, the line's own after the first.

        Raises UserError where one is missing.
        """
        first, *others = (self.overlay.parent / "config" / name for name in names)
        own = () if self.config is None else (self.config,)
        for fragment in (first, *others):
            if not fragment.is_file():
                raise UserError(f"{fragment} is missing", hint="restore it: git checkout")
        return (first, *own, *others)

    def content(self) -> list[tuple[str, bytes]]:
        """Return all that the series does to a tree, in order, as named byte strings.

        Commit messages are left out: rewording one changes no image.
        """
        parts: list[tuple[str, bytes]] = []
        for commit in self.commits:
            parts += [(name, self.overlay_file(name).read_bytes()) for name in commit.overlay]
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

    def step(self, number: int) -> Series:
        """Return the first `number` commits and, on top of them, the witness.

        Of the handlers those that are made in a folder to which a commit still adds something.
        Raises UserError for a number that there is not.
        """
        last = len(self.commits) - 1
        if not 0 <= number <= last:
            raise UserError(
                f"the series of {self.line} has no step {number}",
                hint=f"it has 0 to {last}, each with the witness on top",
            )
        commits = (*self.commits[:number], self.commits[-1])
        folders = {str(Path(name).parent) for commit in commits for name in commit.files()}
        handlers = tuple(name for name in self.handlers if str(Path(name).parent) in folders)
        return replace(self, commits=commits, handlers=handlers)

    def changed_files(self) -> list[str]:
        """Return the files that the commits change, by their paths in the tree."""
        return sorted({name for commit in self.commits for name in commit.changed_files()})

    def kconfig_content(self) -> list[tuple[str, bytes]]:
        """Return the part of the content that Kconfig may see: its own files and the patches."""
        return [
            (name, content)
            for name, content in self.content()
            if name.startswith("patch ") or "/Kconfig" in name
        ]


def kernel_lines(patches: Path) -> list[str]:
    """Return the kernel lines that there are, the oldest first: each is a folder's name."""
    lines = [path.parent.name for path in patches.glob("*/series.toml")]
    return sorted(lines, key=lambda line: [int(part) for part in re.findall(r"\d+", line)])


def nearest_line(version: str, *, patches: Path) -> str:
    """Return the line whose series suits a tree of a version such as 6.6.1 best; empty if none.

    That is the one with the fewest releases in between, of those that reach so far: a line's
    `until` is the last release that it suits. Raises UserError for an `until` that is none.
    """
    if not version[:1].isdigit():
        return ""
    wanted = _release(version)
    ends = {line: _until(line, patches=patches) for line in kernel_lines(patches)}
    lines = [line for line, end in ends.items() if not end or wanted <= _release(end)]
    # Of two that are as near the newer: from 6.17 on it takes one that brings the framework.
    return min(reversed(lines), key=lambda line: abs(_release(line) - wanted), default="")


def _until(line: str, *, patches: Path) -> str:
    path = patches / line / "series.toml"
    until = str(_table(path).get("until", ""))
    if until and not re.fullmatch(r"\d+\.\d+", until):
        raise UserError(f"{path} has until = {until!r}, no release", hint='write it as in "6.6"')
    return until


def _release(version: str) -> int:
    """Count Linux's releases up to this one; each major number has had 20 of them since 4.0."""
    major, minor, *_ = (*map(int, re.findall(r"\d+", version)), 0, 0)
    return 20 * major + minor


def source_package(line: str, *, patches: Path) -> SourcePackage | None:
    """Return what the line's source is fetched from; None if this machine has it installed."""
    path = patches / line / "series.toml"
    entry = _table(path).get("source") if path.is_file() else None
    if entry is None:
        return None
    where = f"{path}, [source]"
    if not isinstance(entry, dict):
        raise UserError(f"{where} is no table", hint="write [source], then package and suite")
    _check_keys(entry, allowed={"package", "suite"}, where=where)
    for key in ("package", "suite"):
        # It becomes part of a path and of apt's sources.
        if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", str(entry.get(key, ""))):
            raise UserError(f"{where} has no `{key}` by Debian's rules", hint="give it one")
    return SourcePackage(str(entry["package"]), str(entry["suite"]))


def load_series(line: str, *, patches: Path) -> Series:
    """Read `<patches>/<line>/series.toml`; every overlay file belongs to exactly one commit.

    With `like`, the commits of that line follow, with patches of the same names in this folder.
    """
    path = patches / line / "series.toml"
    if not path.is_file():
        raise UserError(
            f"there is no kernel line {line}: {path} is missing",
            hint=f"there is {', '.join(kernel_lines(patches)) or 'none'}",
        )
    table = _table(path)
    _check_keys(table, allowed=_KEYS, where=str(path))
    model = _model(table, path=path, patches=patches)
    entries = [*table.get("commit", ()), *model.get("commit", ())]
    if not entries:
        raise UserError(f"{path} names no commit", hint="add a [[commit]] with a subject")
    overlays = [folder / "overlay" for folder in (patches, path.parent)]
    commits = tuple(_commit(entry, path=path, overlays=overlays) for entry in entries)
    _check_named_once(commits, path=path, overlays=overlays)
    config = path.with_name("line.config")
    return Series(
        line,
        overlays[0],
        commits,
        tuple(table.get("handlers", model.get("handlers", ()))),
        own=overlays[1],
        config=config if config.is_file() else None,
        lacks=_lacks(table, where=str(path)),
    )


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not TOML: {error}", hint="mend that line") from error


def _model(table: Mapping[str, Any], *, path: Path, patches: Path) -> Mapping[str, Any]:
    """Return the table of the line whose commits follow this one's own; empty if there is none."""
    if "like" not in table:
        return {}
    model = patches / str(table["like"]) / "series.toml"
    if model == path or not model.is_file() or "like" in _table(model):
        raise UserError(
            f"{path} wants to be like {table['like']}, which has no series of its own",
            hint="name a line that has, and is like no other",
        )
    return _table(model)


def _lacks(table: Mapping[str, Any], *, where: str) -> Mapping[str, str]:
    lacks = {name.removeprefix("CONFIG_"): why for name, why in table.get("lacks", {}).items()}
    for name, why in lacks.items():
        if not isinstance(why, str) or not why.strip():
            raise UserError(f"{where} gives no reason why it lacks {name}", hint="write one")
    return MappingProxyType(lacks)


def _check_keys(table: Mapping[str, Any], *, allowed: set[str], where: str) -> None:
    unknown = sorted(table.keys() - allowed)
    if unknown:
        raise UserError(
            f"{where} has an unknown key `{unknown[0]}`",
            hint="known are: " + ", ".join(sorted(allowed)),
        )


def _commit(entry: Mapping[str, Any], *, path: Path, overlays: list[Path]) -> Commit:
    subject = str(entry.get("subject", ""))
    where = f"{path}, commit “{subject}”"
    _check_keys(entry, allowed={"subject", "body", "witness_body", "overlay", "patch"}, where=where)
    if not subject:
        raise UserError(f"{path} has a commit without a subject", hint="give it one")
    files = tuple(
        name
        for pattern in entry.get("overlay", ())
        for name in _matches(pattern, overlays=overlays, where=where)
    )
    patch = path.parent / entry["patch"] if "patch" in entry else None
    if patch is not None and not patch.is_file():
        raise UserError(f"{where} names {patch.name}, which is missing", hint=f"add {patch}")
    body, witness_body = (str(entry.get(key, "")) for key in ("body", "witness_body"))
    return Commit(subject, body, files, patch, witness_body)


def _files(overlay: Path, pattern: str) -> set[str]:
    return {str(path.relative_to(overlay)) for path in overlay.glob(pattern) if path.is_file()}


def _matches(pattern: str, *, overlays: list[Path], where: str) -> list[str]:
    found = {name for overlay in overlays for name in _files(overlay, pattern)}
    if not found:
        raise UserError(
            f"{where} names {pattern}, which matches no file under {overlays[0]}",
            hint="correct the name, or remove it from the commit",
        )
    return sorted(found)


def _check_named_once(commits: tuple[Commit, ...], *, path: Path, overlays: list[Path]) -> None:
    named = Counter(name for commit in commits for name in commit.overlay)
    twice = sorted(name for name, count in named.items() if count > 1)
    if twice:
        raise UserError(
            f"{path} names {twice[0]} in more than one commit",
            hint="a file is added by one commit; keep one of them",
        )
    shared, own = (_files(overlay, "**/*") for overlay in overlays)
    if both := sorted(shared & own):
        raise UserError(
            f"the overlay file {both[0]} is in {overlays[1]} as well as in {overlays[0]}",
            hint="keep the shared one, and let a patch of the line's change it",
        )
    unnamed = sorted((shared | own) - named.keys())
    if unnamed:
        raise UserError(
            f"no commit of {path} names the overlay file {unnamed[0]}",
            hint="name it in the commit that adds it, or remove the file",
        )
