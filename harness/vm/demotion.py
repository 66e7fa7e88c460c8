# SPDX-License-Identifier: GPL-2.0-only
"""QEMU runs without privileges: they are dropped before it is executed (rule 1)."""

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
"""The uid and gid of `nobody`, as whom QEMU runs when we are root."""

_LOCK = (
    *("--landlock-access", "fs"),
    # QEMU itself, its libraries and firmware.
    *("--landlock-rule", "path-beneath:execute,read-file,read-dir:/usr"),
    *("--landlock-rule", "path-beneath:read-file:/etc/ld.so.cache"),
    *("--landlock-rule", "path-beneath:read-file,write-file,make-reg,truncate:."),
)
_SECONDS = 10


def unprivileged() -> bool:
    """Whether QEMU has to be demoted, because we are root."""
    return os.geteuid() == 0


def give_to_qemu(path: Path) -> None:
    """Make QEMU's user the owner of a file or directory."""
    if unprivileged():
        os.chown(path, QEMU_USER, QEMU_USER)


def demotion() -> list[str]:
    """What stands before QEMU on its command line. QEMU dies with the thread that started it."""
    return [*_setpriv(), "--"]


def confinement(readable: Sequence[int], reach: Sequence[str] = ()) -> list[str]:
    """Like `demotion`, and QEMU is locked into the directory it is started in (Landlock).

    Of the rest it opens only its own installation and the inherited descriptors `readable`, to
    read, and what further rules (`reach`, as setpriv takes them) say. Where the kernel or setpriv
    has no Landlock, the demotion alone has to do.
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
    """Whether QEMU starts when it is locked in."""
    command = [*_setpriv(), *_LOCK, "--", QEMU, "--version"]
    try:
        # The directory may be any, but for one that holds what the lock is there to hide.
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
