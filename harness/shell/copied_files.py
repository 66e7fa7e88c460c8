# SPDX-License-Identifier: GPL-2.0-only
"""Files of the host that are copied into a guest for a shell or a command."""

from __future__ import annotations

from stat import S_IMODE
from typing import TYPE_CHECKING

from harness.attacker import SetupFailed
from harness.host.errors import UserError
from harness.report.text import visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.attacker import Attacker

FOLDER = "/tmp"  # noqa: S108 - in the guest
"""The guest's folder for them, which each engine has in memory."""


def check_files(files: Sequence[Path]) -> None:
    """Raise UserError unless each is a file, with a name of its own, that can be read."""
    names: set[str] = set()
    for path in files:
        try:
            path.open("rb").close()
        except OSError as error:
            raise UserError(f"cannot copy {path}: {error.strerror}", hint="name a file") from error
        if path.name in names:
            raise UserError(f"two files to copy are called {path.name}", hint="rename one of them")
        names.add(path.name)


def copy_files(files: Sequence[Path], attacker: Attacker) -> None:
    """Copy files into `FOLDER` of a guest, with their permissions. Raises UserError."""
    for path in files:
        data, mode = path.read_bytes(), S_IMODE(path.stat().st_mode)
        try:
            with attacker.setup():
                attacker.write_file(f"{FOLDER}/{path.name}", data, mode)
        except SetupFailed as error:
            raise UserError(
                f"the guest does not take {path}: {visible(str(error))}",
                hint="a guest keeps its files in its memory: try a smaller file",
            ) from error
