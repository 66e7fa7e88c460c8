# SPDX-License-Identifier: GPL-2.0-only
"""QEMU runs without privileges: they are dropped before it is executed (rule 1)."""

from __future__ import annotations

import os

QEMU_USER = 65534
"""The uid and gid of `nobody`, as whom QEMU runs when we are root."""


def unprivileged() -> bool:
    """Whether QEMU has to be demoted, because we are root."""
    return os.geteuid() == 0


def demotion() -> list[str]:
    """What stands before QEMU on its command line. QEMU dies with the thread that started it."""
    command = ["setpriv", "--no-new-privs", "--pdeathsig", "KILL"]
    if unprivileged():
        user = str(QEMU_USER)
        command += ["--reuid", user, "--regid", user, "--clear-groups", "--inh-caps=-all"]
    return [*command, "--"]
