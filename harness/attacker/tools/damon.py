# SPDX-License-Identifier: GPL-2.0-only
"""DAMON, the kernel's data access monitor, through its sysfs files.

The files are those of Documentation/admin-guide/mm/damon/usage.rst.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from errno import EBUSY
from typing import TYPE_CHECKING

from harness.attacker.agent.errors import GuestError

if TYPE_CHECKING:
    from harness.attacker.agent.attacker import Attacker

_KDAMONDS = "/sys/kernel/mm/damon/admin/kdamonds"
_CONTEXT = "0/contexts/0"
_TARGET = f"{_CONTEXT}/targets/0"
_SCHEME = f"{_CONTEXT}/schemes/0"
_ANY = str((1 << 63) - 1).encode()
_MAX = {"sz": _ANY, "nr_accesses": b"4294967295", "age": b"4294967295"}
_SECONDS = 2.0


@dataclass(frozen=True)
class Region:
    """A range of the monitored address space."""

    start: int
    """Its first address."""
    end: int
    """The address behind its last byte."""
    accesses: int
    """How many samples of the last aggregation interval found it accessed."""


class Damon:
    """A DAMON context that applies one action to the memory of a process, or to page frames."""

    def __init__(self, attacker: Attacker, monitored: int | range, action: str) -> None:
        """Configure the context, as set-up, and start it.

        `monitored` is the pid of a process, or a range of physical addresses. `action` is an
        operation action of Documentation/mm/damon/design.rst, such as `pageout`. Raises GuestError
        if the kernel refuses to start.
        """
        self._attacker = attacker
        with attacker.setup():
            self._put("nr_kdamonds", b"1")
            self._put("0/contexts/nr_contexts", b"1")
            self._put(f"{_CONTEXT}/targets/nr_targets", b"1")
            if isinstance(monitored, int):
                self._put(f"{_CONTEXT}/operations", b"vaddr")
                self._put(f"{_TARGET}/pid_target", str(monitored).encode())
            else:
                self._put(f"{_CONTEXT}/operations", b"paddr")
                self._put(f"{_TARGET}/regions/nr_regions", b"1")
                self._put(f"{_TARGET}/regions/0/start", str(monitored.start).encode())
                self._put(f"{_TARGET}/regions/0/end", str(monitored.stop).encode())
            self._put(f"{_CONTEXT}/schemes/nr_schemes", b"1")
            self._put(f"{_SCHEME}/action", action.encode())
            intervals = f"{_CONTEXT}/monitoring_attrs/intervals"
            for name, period in (("sample", 1000), ("aggr", 20_000), ("update", 100_000)):
                self._put(f"{intervals}/{name}_us", str(period).encode())
            for name, most in _MAX.items():
                self._put(f"{_SCHEME}/access_pattern/{name}/max", most)
        self._put("0/state", b"on")

    def tried(self) -> int:
        """Return how many bytes the action was tried on, once there are any; 0 after 2 s."""
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            self._ask(b"update_schemes_stats")
            if size := self._number(f"{_SCHEME}/stats/sz_tried"):
                return size
        return 0

    def regions(self) -> list[Region]:
        """Return the regions that the action will be applied to next."""
        self._ask(b"update_schemes_tried_regions")
        folder = f"{_SCHEME}/tried_regions"
        return [
            Region(
                self._number(f"{folder}/{name}/start"),
                self._number(f"{folder}/{name}/end"),
                self._number(f"{folder}/{name}/nr_accesses"),
            )
            for name in self._attacker.listdir(f"{_KDAMONDS}/{folder}")
            if name.isdecimal()
        ]

    def off(self) -> None:
        """Stop monitoring."""
        self._put("0/state", b"off")

    def _ask(self, command: bytes) -> None:
        """Send a command to the kdamond. EBUSY is ignored: an earlier command is in progress."""
        try:
            self._put("0/state", command)
        except GuestError as error:
            if error.errno != EBUSY:
                raise

    def _put(self, name: str, value: bytes) -> None:
        self._attacker.write_file(f"{_KDAMONDS}/{name}", value)

    def _number(self, name: str) -> int:
        return int(self._attacker.read_file(f"{_KDAMONDS}/{name}"))
