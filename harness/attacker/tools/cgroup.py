# SPDX-License-Identifier: GPL-2.0-only
"""Control groups that the attacker creates, in cgroup v2 and in cgroup v1."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

ROOT = "/sys/fs/cgroup"


class Cgroup:
    """A control group (Documentation/admin-guide/cgroup-v2.rst)."""

    def __init__(self, attacker: Attacker, path: str) -> None:
        self._attacker = attacker
        self.path = path
        """Its directory in the guest."""

    def child(self, name: str, *controllers: str) -> Cgroup:
        """Create a child cgroup with these controllers enabled, as set-up, and return it."""
        with self._attacker.setup():
            for controller in controllers:
                self.set("cgroup.subtree_control", f"+{controller}")
            self._attacker.mkdir(f"{self.path}/{name}")
        return Cgroup(self._attacker, f"{self.path}/{name}")

    def add(self, pid: int) -> None:
        """Move process `pid` into the cgroup; 0 stands for the agent."""
        self.set("cgroup.procs", str(pid))

    def set(self, knob: str, value: str) -> None:
        """Write `value` to one of the cgroup's interface files, such as `cpu.max`."""
        self._attacker.write_file(f"{self.path}/{knob}", value.encode())


def root(attacker: Attacker) -> Cgroup:
    """Return the root of the cgroup v2 hierarchy, where all processes start."""
    return Cgroup(attacker, ROOT)


def old_root(attacker: Attacker, controller: str) -> Cgroup:
    """Mount the cgroup v1 hierarchy of one controller, as set-up, and return its root."""
    path = f"/tmp/{controller}"  # noqa: S108 - the guest's, not ours
    with attacker.setup():
        attacker.mkdir(path)
        attacker.mount("none", path, "cgroup", options=controller)
    return Cgroup(attacker, path)
