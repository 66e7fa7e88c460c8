# SPDX-License-Identifier: GPL-2.0-only
"""Control groups of the attacker's own, of the unified hierarchy and of the old ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

ROOT = "/sys/fs/cgroup"


class Cgroup:
    """A cgroup. `path` is its directory."""

    def __init__(self, attacker: Attacker, path: str) -> None:
        self._attacker = attacker
        self.path = path

    def child(self, name: str, *controllers: str) -> Cgroup:
        """Make one below this, as set-up, with these controllers enabled for it."""
        with self._attacker.setup():
            for controller in controllers:
                self.set("cgroup.subtree_control", f"+{controller}")
            self._attacker.mkdir(f"{self.path}/{name}")
        return Cgroup(self._attacker, f"{self.path}/{name}")

    def add(self, pid: int) -> None:
        """Move a process in; 0 is the agent itself."""
        self.set("cgroup.procs", str(pid))

    def set(self, knob: str, value: str) -> None:
        """Write to one of its files."""
        self._attacker.write_file(f"{self.path}/{knob}", value.encode())


def root(attacker: Attacker) -> Cgroup:
    """The root of the unified hierarchy, where all processes are at first."""
    return Cgroup(attacker, ROOT)


def old_root(attacker: Attacker, controller: str) -> Cgroup:
    """The root of an old hierarchy of one controller, which is mounted for it, as set-up."""
    path = f"/tmp/{controller}"  # noqa: S108 - the guest's, not ours
    with attacker.setup():
        attacker.mkdir(path)
        attacker.mount("none", path, "cgroup", options=controller)
    return Cgroup(attacker, path)
