# SPDX-License-Identifier: GPL-2.0-only
"""The author of the exported patches, from the git configuration."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.host.commands import output_of
from harness.host.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

_IDENT = re.compile(r"(.*) <(.*)> \d+ [+-]\d{4}\n?")


@dataclass(frozen=True)
class Identity:
    """A person's name and address for mails and sign-offs."""

    name: str
    email: str

    def __str__(self) -> str:
        """Return the name and the address as in a From: header."""
        return f"{self.name} <{self.email}>"


def find_identity(where: Path) -> Identity:
    """Ask git for the user of the folder `where`.

    Raises UserError without `user.name` and `user.email`: git would make an address from the login
    and host names, at which no mail arrives.
    """
    argv = ["git", "-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT"]
    status, said = output_of(argv, cwd=where, env={**os.environ, "LC_ALL": "C"})
    match = _IDENT.fullmatch(said)
    if status != 0 or match is None:
        raise UserError(
            "a patch needs an author, and git does not know who you are",
            hint="git config --global user.name 'Your Name' && "
            "git config --global user.email you@example.org",
        )
    return Identity(match[1], match[2])
