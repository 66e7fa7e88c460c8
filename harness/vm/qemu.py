# SPDX-License-Identifier: GPL-2.0-only
"""The QEMU that is installed, and whether it is new enough."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

from harness.host.errors import UserError
from harness.host.paths import cache_dir

QEMU = "qemu-system-x86_64"
OLDEST = (9, 0)
"""Saved states need `file:` migration (8.2) and memory-backend-file's `rom=off` (9.0)."""

_INSTALL = "apt-get install qemu-system-x86"
_SECONDS = 30.0

Identity = tuple[str, int, int]


@cache
def qemu_identity() -> Identity:
    """Tell this QEMU from another by its file, without the time it takes to run it.

    Path, size in bytes, time of change in ns. Raises UserError if there is none, or it is too
    old: it is asked for its version once, and the answer is remembered.
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
            hint="install a newer one, or put it first on PATH",
        )
    return identity


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _version(identity: Identity) -> tuple[int, ...]:
    memory = cache_dir() / "qemu.json"
    try:
        remembered = json.loads(memory.read_text())
        if remembered["identity"] == list(identity):
            major, minor = remembered["version"]
            return int(major), int(minor)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # nothing remembered, or nothing usable: ask
    version = _ask(identity[0])
    with suppress(OSError):  # it only saves time
        memory.write_text(json.dumps({"identity": identity, "version": version}))
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
        raise UserError(f"{path} cannot be run: {error}", hint=f"{_INSTALL} again") from error
    found = re.search(r"version (\d+)\.(\d+)", done.stdout)
    if done.returncode or found is None:
        said = (done.stdout + done.stderr).strip().partition("\n")[0] or "nothing"
        raise UserError(f"{path} --version says {said}", hint=f"{_INSTALL} again")
    return int(found[1]), int(found[2])
