# SPDX-License-Identifier: GPL-2.0-only
"""Mails with patches, from an archive of a list.

The archive is a public-inbox: a git repository with a mail in each commit, as the file `m`. No
whole mail is in this repository: the tests change what they must of a mail, and say why.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from harness.host.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def mail(archive: Path, subject: str) -> bytes:
    """Return the mail with that subject. Raises UserError if the archive does not have it."""
    found = git(archive, "log", "--format=%H", "--fixed-strings", f"--grep={subject}").split()
    for commit in found:
        text = git(archive, "show", f"{commit.decode()}:m")
        if b"\nSubject: " + subject.encode() + b"\n" in text:
            return text
    raise UserError(
        f"{archive} has no mail “{subject}”", hint="take an archive of linux-kselftest of 2023"
    )


def git(folder: Path, *words: str, codes: tuple[int, ...] = (0,)) -> bytes:
    """Run git in a folder; return its output. Raises UserError for any other exit status."""
    done = subprocess.run(
        ["git", "-C", folder, *words], capture_output=True, timeout=600, check=False
    )
    if done.returncode not in codes:
        raise UserError(
            f"git {words[0]} in {folder} failed: {done.stderr.decode(errors='replace').strip()}",
            hint="name the git repository of a public-inbox archive",
        )
    return done.stdout
