# SPDX-License-Identifier: GPL-2.0-only
"""The installed QEMU, and whether its version is new enough."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.cache.notes import read_note, write_note
from harness.host.errors import UserError
from harness.host.paths import cache_dir

QEMU = "qemu-system-x86_64"
OLDEST = (9, 0)
"""Saved states need `file:` migration (8.2) and memory-backend-file's `rom=off` (9.0)."""

_INSTALL = "apt-get install qemu-system-x86"
_REINSTALL = "apt-get install --reinstall qemu-system-x86"
_SECONDS = 30.0

Identity = tuple[str, int, int]


@cache
def qemu_identity() -> Identity:
    """Identify the installed QEMU by its file, which is faster than running it.

    Return its path, its size in bytes and its modification time in ns. Raises UserError if QEMU
    is missing or too old. Its version is asked for once, and cached with this identity.
    """
    found = shutil.which(QEMU)
    if found is None:
        raise UserError(f"{QEMU} is not installed", hint=_INSTALL)
    status = Path(found).stat()
    identity = found, status.st_size, status.st_mtime_ns
    version = _version(identity)
    if version < OLDEST:
        raise UserError(
            f"{found} is QEMU {_dotted(version)}, which is too old: {_dotted(OLDEST)} is needed",
            hint="install a newer QEMU, or put it first on PATH",
        )
    return identity


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


@dataclass(frozen=True)
class _Asked:
    """The note about the QEMU that was asked last."""

    identity: Identity
    version: tuple[int, int]


def _version(identity: Identity) -> tuple[int, ...]:
    memory = cache_dir() / "qemu.json"
    remembered = read_note(memory, _Asked)
    if remembered is not None and remembered.identity == identity:
        return remembered.version
    version = _ask(identity[0])
    with suppress(OSError):  # the note only saves time
        write_note(memory, _Asked(identity, version))
    return version


def _ask(path: str) -> tuple[int, int]:
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{path} cannot be run: {error}", hint=_REINSTALL) from error
    found = re.search(r"version (\d+)\.(\d+)", done.stdout)
    if done.returncode or found is None:
        said = (done.stdout + done.stderr).strip().partition("\n")[0] or "nothing"
        raise UserError(f"{path} --version prints no version but {said}", hint=_REINSTALL)
    return int(found[1]), int(found[2])
