# SPDX-License-Identifier: GPL-2.0-only
"""Route: the files of a running guest by which root acts on a task, a cgroup or the system."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.attacker import Attacker, Channel
from harness.host.errors import VmLost
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from harness.lab.lab import Lab

VARIANT = "baseline"
CELL = "/sys/fs/cgroup/surface"
"""A cgroup that is created to list the files of a cgroup."""

_LIST = """
cd /sys/fs/cgroup || exit 1
for name in $(cat cgroup.controllers); do echo +$name >cgroup.subtree_control; done
mkdir -p surface
find /proc/PID /proc/PID/attr -maxdepth 1 -exec stat -c '%a %n' {} +
find /proc/sys /sys/fs/cgroup -maxdepth 1 -type f -perm -200 -exec stat -c '%a %n' {} +
find /proc/sys -mindepth 2 -type f -perm -200 -exec stat -c '%a %n' {} +
find surface -maxdepth 1 -type f -perm -200 -exec stat -c '%a /sys/fs/cgroup/%n' {} +
"""
_LISTED = "/tmp/surface"  # noqa: S108 - the guest's, not ours
_LINE = re.compile(r"(\d+) (/\S+)")


def find_nodes(lab: Lab) -> dict[str, str]:
    """Return files with their modes: the handler's in procfs, and writable files elsewhere.

    The guest itself lists them, and is believed: nothing has attacked it yet. Raises VmLost.
    """
    with lab.machine(VARIANT) as machine:
        witness = Witness(machine, lab.images(VARIANT).kernel)
        pid = witness.read().pid
        with Channel(machine.agent_socket(), attempt_seconds=300) as channel:
            return enumerate_nodes(Attacker(channel, lab.images(VARIANT).guest), pid)


def enumerate_nodes(attacker: Attacker, pid: int) -> dict[str, str]:
    """List the guest's files by a shell in the guest. Raises VmLost if the list is not whole."""
    attacker.write_file(f"{_LISTED}.sh", _LIST.replace("PID", str(pid)).encode(), mode=0o755)
    with attacker.open(_LISTED, 0o1101, 0o644) as listed:
        shell = attacker.spawn(
            "/bin/busybox", "sh", f"{_LISTED}.sh", stdout=listed.fd, env={"PATH": "/bin:/sbin"}
        )
        attacker.waitpid(shell)
    text = attacker.read_file(_LISTED).decode(errors="replace")
    found = {
        path.replace(f"/proc/{pid}/", "/proc/<pid>/").replace(CELL, "/sys/fs/cgroup/<group>"): mode
        for mode, path in _LINE.findall(text)
        if path not in (f"/proc/{pid}", CELL)
    }
    if "/proc/<pid>/mem" not in found or "/proc/sys/kernel/panic" not in found:
        raise VmLost(f"the guest lists {len(found)} files, but none of the handler's or no sysctl")
    return dict(sorted(found.items()))
