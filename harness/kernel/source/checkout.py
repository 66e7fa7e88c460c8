# SPDX-License-Identifier: GPL-2.0-only
"""A kernel tree of the user's: read, never written to, and identified by the content of its files.

The files that git would commit count: tracked files, as they are on disk now, and new files that
are not ignored. The same rules apply to a tree without git, so that build products are left out.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.cache.notes import read_note, write_note
from harness.cache.places import TREES
from harness.host.commands import clean_environment, output_of
from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_SECONDS = 120.0
_RACY = 2.0
"""Seconds after a write in which another write may leave the same time."""

_VERSION = re.compile(r"^(?:VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(\S*)$", re.MULTILINE)
# Debian's own .gitignore ignores all that lies at the top.
_AT_TOP = ("!/*", "/.*", "/vmlinux*", "/System.map", "/[Mm]odule*", "/debian/")

Entry = tuple[str, str]
"""A file's kind: `file`, `program` (an executable file) or `link`; and the SHA-256 of its content,
or of the link's target."""


class _HashedFile(NamedTuple):
    """What the note says about a file that was hashed before: facts of its inode, and the hash."""

    size: int
    changed_ns: int
    inode_changed_ns: int
    inode: int
    mode: int
    digest: str

    @classmethod
    def of(cls, found: os.stat_result, digest: str) -> _HashedFile:
        """Return the facts of a file with that hash."""
        times = found.st_mtime_ns, found.st_ctime_ns
        return cls(found.st_size, *times, found.st_ino, found.st_mode, digest)


@dataclass(frozen=True)
class Checkout:
    """A tree at `path`: its files by name, the hash of all, and git's description of it.

    `line` is its name in results.
    """

    line: str
    path: Path
    files: Mapping[str, Entry]
    digest: str
    describe: str

    def read(self, name: str) -> bytes:
        """Return a file's content as it was when the tree was read. Raises UserError."""
        try:
            data = content(self.path / name)
        except FileNotFoundError:
            data = b""
        if hashlib.sha256(data).hexdigest() != self.files[name][1]:
            raise UserError(
                f"{self.path / name} changed while it was copied", hint="run the command again"
            )
        return data

    def original(self, name: str) -> Path | None:
        """Return the path of a file that is as it was; None if the tree has no such file."""
        if name not in self.files:
            return None
        self.read(name)
        return self.path / name

    def as_json(self) -> dict[str, Any]:
        """Return the facts about the tree for a run's header."""
        return {"path": str(self.path), "describe": self.describe, "sha256": self.digest}


def read_checkout(path: Path, *, line: str, cache: Path) -> Checkout:
    """Return the tree at `path` as it is now. Raises UserError where it is no kernel for x86.

    A file's hash is remembered with its size, times and inode, so that a tree that was read before
    takes a second.
    """
    path = path.resolve()
    check_tree(path)
    note = TREES.path(cache) / f"{hashlib.sha256(bytes(path)).hexdigest()[:16]}.json"
    files = _hashed(path, _names(path, cache=cache), note=note)
    total = hashlib.sha256()
    for name, entry in sorted(files.items()):
        total.update("\0".join((name, *entry, "")).encode(errors="surrogateescape"))
    return Checkout(line, path, files, total.hexdigest(), describe(path))


def check_tree(path: Path) -> None:
    """Raise UserError unless there is a kernel source at `path` that builds for x86."""
    if not path.is_dir():
        raise UserError(f"there is no folder {path}", hint="name a kernel tree with --tree")
    if not all((path / name).exists() for name in ("Makefile", "Kconfig", "init", "kernel")):
        raise UserError(
            f"{path} is not a kernel tree: it has no Makefile, Kconfig, init and kernel",
            hint="name the top of one: git clone, or unpack a tarball",
        )
    if not (path / "arch/x86").is_dir():
        there = sorted(one.name for one in path.glob("arch/*") if one.is_dir())
        raise UserError(
            f"{path} has no arch/x86, only {', '.join(there) or 'no architecture'}: "
            "guests here are x86-64",
            hint="name a whole tree",
        )


def version(path: Path) -> str:
    """Return the tree's version by its Makefile, such as 6.12.94 or 7.0.0-rc1."""
    found = _VERSION.findall((path / "Makefile").read_text(errors="replace"))
    return ".".join(found[:3]) + "".join(found[3:4])


def describe(path: Path) -> str:
    """Return git's description of the tree, with `-dirty` if it was changed; else its version."""
    if not _has_git(path):
        return version(path)
    status, said = _git(path, "describe", "--always", "--abbrev=12")
    if status != 0:
        return version(path)
    # `describe --dirty` would rewrite the index, in spite of GIT_OPTIONAL_LOCKS.
    _, changed = _git(path, "status", "--porcelain", "--untracked-files=no")
    return said.strip() + ("-dirty" if changed.strip() else "")


def _git(path: Path, *arguments: str, git_dir: Path | None = None) -> tuple[int, str]:
    """Run git so that it writes nothing to the tree, and runs no hook or monitor of the tree."""
    env = {
        **clean_environment(),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_CEILING_DIRECTORIES": str(path.parent),
    }
    options = ["-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false"]
    if git_dir is not None:
        options += [f"--git-dir={git_dir}", f"--work-tree={path}"]
    return output_of(["git", *options, *arguments], cwd=path, env=env, deadline=_SECONDS)


def _has_git(path: Path) -> bool:
    """Whether the tree itself is a git checkout, and not a folder in another one."""
    return (path / ".git").exists()


def _names(path: Path, *, cache: Path) -> list[str]:
    """Return the names of the tree's files that git would commit."""
    if _has_git(path):
        listed = ["--deduplicate", "--cached", "--others", "--exclude-standard"]
        status, said = _git(path, "ls-files", "-z", *listed)
    else:
        empty = TREES.path(cache) / "empty.git"
        if not empty.is_dir():
            empty.mkdir(parents=True)
            _git(path, "init", "--quiet", git_dir=empty)
        listed = ["--others", "--exclude-per-directory=.gitignore"]
        listed += [f"--exclude={pattern}" for pattern in _AT_TOP]
        status, said = _git(path, "ls-files", "-z", *listed, git_dir=empty)
    if status != 0:
        raise UserError(
            f"git cannot list {path}: {(said.strip().splitlines() or [''])[0]}",
            hint="run `git status` there",
        )
    return [name for name in said.split("\0") if name]


def _hashed(path: Path, names: Iterable[str], *, note: Path) -> dict[str, Entry]:
    """Return the entry of each file; missing files and other kinds are left out."""
    known = read_note(note, dict[str, _HashedFile]) or {}
    files: dict[str, Entry] = {}
    seen: dict[str, _HashedFile] = {}
    before = time.time_ns() - int(_RACY * 1e9)
    for name, found in _stats(path, names):
        old = known.get(name)
        if old is None or old != _HashedFile.of(found, old.digest):
            old = _HashedFile.of(found, hashlib.sha256(content(path / name)).hexdigest())
        if max(found.st_mtime_ns, found.st_ctime_ns) < before:
            seen[name] = old
        files[name] = (_kind(found.st_mode), old.digest)
    if seen != known:
        write_note(note, seen)
    return files


def _stats(path: Path, names: Iterable[str]) -> Iterator[tuple[str, os.stat_result]]:
    root = f"{path}/"
    for name in names:
        try:
            found = os.lstat(root + name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode):
            yield name, found


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "link"
    return "program" if mode & stat.S_IXUSR else "file"


def content(path: Path) -> bytes:
    """Return a file's bytes, or a link's target. Raises UserError for an unreadable file."""
    try:
        return os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
    except PermissionError as error:
        raise UserError(f"{path} cannot be read", hint="make it yours to read") from error
