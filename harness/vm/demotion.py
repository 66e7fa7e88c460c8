# SPDX-License-Identifier: GPL-2.0-only
"""QEMU runs without privileges: setpriv(1) drops them before it executes QEMU (rule 1)."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from typing import TYPE_CHECKING

from harness.vm.qemu import QEMU

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

QEMU_USER = 65534
"""The uid and gid of `nobody`, which QEMU gets if the harness runs as root."""

_LOCK = (
    *("--landlock-access", "fs"),
    # QEMU itself, its libraries and firmware.
    *("--landlock-rule", "path-beneath:execute,read-file,read-dir:/usr"),
    *("--landlock-rule", "path-beneath:read-file:/etc/ld.so.cache"),
    *("--landlock-rule", "path-beneath:read-file,write-file,make-reg,truncate:."),
)
_SECONDS = 10


def unprivileged() -> bool:
    """Return whether the harness runs as root, so that QEMU needs another user."""
    return os.geteuid() == 0


def give_to_qemu(path: Path) -> None:
    """Make QEMU's user the owner of a file or directory. Raises OSError."""
    if unprivileged():
        os.chown(path, QEMU_USER, QEMU_USER)


def demotion() -> list[str]:
    """Return the setpriv command that precedes QEMU's own. QEMU dies with its parent thread."""
    return [*_setpriv(), "--"]


def confinement(readable: Sequence[int], reach: Sequence[str] = ()) -> list[str]:
    """Return `demotion` with Landlock rules that restrict QEMU to its working directory.

    Outside that directory QEMU may read its own installation, the inherited descriptors
    `readable`, and whatever the further rules `reach`, in setpriv's syntax, allow. If the kernel
    or setpriv has no Landlock, return `demotion` alone.
    """
    if not has_landlock():
        return demotion()
    opened = [
        word
        for fd in readable
        for word in ("--landlock-rule", f"path-beneath:read-file:/proc/self/fd/{fd}")
    ]
    for rule in reach:
        opened += ["--landlock-rule", rule]
    return [*_setpriv(), *_LOCK, *opened, "--"]


@cache
def has_landlock() -> bool:
    """Return whether QEMU starts under the Landlock rules."""
    command = [*_setpriv(), *_LOCK, "--", QEMU, "--version"]
    try:
        # Any directory serves that has no files which the rules are meant to hide.
        done = subprocess.run(
            command, cwd="/usr", capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _setpriv() -> list[str]:
    command = ["setpriv", "--no-new-privs", "--pdeathsig", "KILL"]
    if unprivileged():
        user = str(QEMU_USER)
        command += ["--reuid", user, "--regid", user, "--clear-groups", "--inh-caps=-all"]
    return command
