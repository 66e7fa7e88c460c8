# SPDX-License-Identifier: GPL-2.0-only
"""The handler's loader module taken out and loaded again, with its memory on an account of ours."""

from __future__ import annotations

from os import O_NONBLOCK, O_RDONLY
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.attacker.attacker import Attacker

_CGROUPS = "/sys/fs/cgroup"
_MODPROBE = "/proc/sys/kernel/modprobe"


def reload_charged(attacker: Attacker, module: str, group: str) -> None:
    """Load the module anew from within a new cgroup, so that the blob's pages are charged to it.

    The kernel must not be quicker: while the module is away it finds no modprobe.
    """
    attacker.write_file(f"{_CGROUPS}/cgroup.subtree_control", b"+memory")
    attacker.mkdir(f"{_CGROUPS}/{group}")
    modprobe = attacker.read_file(_MODPROBE)
    attacker.write_file(_MODPROBE, b"/none")
    attacker.syscall("delete_module", module, O_NONBLOCK)
    attacker.write_file(f"{_CGROUPS}/{group}/cgroup.procs", b"0")
    with attacker.open(f"/lib/modules/{module}.ko", O_RDONLY) as file:
        attacker.syscall("finit_module", file.fd, "", 0)
    attacker.write_file(f"{_CGROUPS}/cgroup.procs", b"0")
    attacker.write_file(_MODPROBE, modprobe)
