# SPDX-License-Identifier: GPL-2.0-only
"""Who exports: the author of the patches, by the words of their git configuration."""

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
    """A person, as mails and sign-offs name them."""

    name: str
    email: str

    def __str__(self) -> str:
        """Return the name and the address as in a From: header."""
        return f"{self.name} <{self.email}>"


def find_identity(where: Path) -> Identity:
    """Ask git who its user is in the folder `where`.

    Without `user.name` and `user.email` git would make up an address of login and host name:
    that raises UserError, since nobody can be written to at it.
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
