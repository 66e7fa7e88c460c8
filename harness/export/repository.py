# SPDX-License-Identifier: GPL-2.0-only
"""A temporary git repository of the files that a series touches: commits, mails, `git am`."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.host.commands import clean_environment, output_of
from harness.host.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from harness.export.identity import Identity

_SECONDS = 120.0
_BRANCH = "series"


@dataclass(frozen=True)
class Repository:
    """A git repository at `path` with one author, `author`, and given commit times.

    Only its own configuration counts, so that the same input gives the same mails.
    """

    path: Path
    author: Identity

    @classmethod
    def create(cls, path: Path, source: Path, *, author: Identity, time: int) -> Repository:
        """Create a repository whose first commit, tagged `base`, copies the folder `source`."""
        shutil.copytree(source, path)
        repository = cls(path, author)
        repository.git("init", "--quiet", f"--initial-branch={_BRANCH}")
        repository.commit("base", time=time)
        repository.git("tag", "base")
        return repository

    def commit(self, message: str, *, time: int, signoff: bool = False) -> None:
        """Commit all files; `time` is in seconds since 1970."""
        self.git("add", "--all", "--force")
        options = ["--signoff"] if signoff else []
        arguments = ["--quiet", "--cleanup=verbatim", f"--message={message}", *options]
        self.git("commit", *arguments, time=time)

    def apply(self, patch: Path) -> None:
        """Apply a patch to the files. Raises UserError if it does not apply exactly."""
        self.git("apply", str(patch))

    def mails(self, folder: Path, *, cover: str, time: int) -> list[Path]:
        """Write the commits after `base` as mails, and `cover` as a mail of that time.

        The cover letter's subject is its first line.
        """
        self.git("config", f"branch.{_BRANCH}.description", cover)
        self.git(
            "format-patch",
            *("--quiet", "--no-signature", "--zero-commit", "--no-base", "--no-thread"),
            *("--cover-letter", "--cover-from-description=subject"),
            f"--output-directory={folder}",
            "base..",
            time=time,
        )
        return sorted(folder.glob("*.patch"))

    def receive(self, mails: Iterable[Path]) -> None:
        """Apply mails as a maintainer does, with `git am`. Raises UserError."""
        self.git("am", "--quiet", *map(str, mails))

    def hashes(self) -> Mapping[str, str]:
        """Return the SHA-256 of each committed file."""
        names = self.git("ls-files", "-z").split("\0")[:-1]
        return {name: sha256(self.path / name) for name in names}

    def git(self, *arguments: str, time: int = 0) -> str:
        """Run git and return its output. Raises UserError with git's message."""
        env = {
            **clean_environment(),
            "GIT_CEILING_DIRECTORIES": str(self.path.parent),
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        for role in ("AUTHOR", "COMMITTER"):
            env[f"GIT_{role}_NAME"] = self.author.name
            env[f"GIT_{role}_EMAIL"] = self.author.email
            env[f"GIT_{role}_DATE"] = f"@{time} +0000"
        status, said = output_of(["git", *arguments], cwd=self.path, env=env, deadline=_SECONDS)
        if status != 0:
            raise UserError(
                f"`git {arguments[0]}` failed: {' '.join(said.split())}",
                hint="correct the file that git names in kernel-patches",
            )
        return said


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
