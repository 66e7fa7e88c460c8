# SPDX-License-Identifier: GPL-2.0-only
"""A saved state: the files of a paused machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.host.errors import VmLost
from harness.vm.disk import DISK
from harness.vm.kaslr import Placement

if TYPE_CHECKING:
    from pathlib import Path

RAM = "ram"
DEVICE = "device"


@dataclass(frozen=True)
class SavedState:
    """A paused machine on disk."""

    directory: Path

    @property
    def ram(self) -> Path:
        """Its memory, mapped copy-on-write."""
        return self.directory / RAM

    @property
    def device(self) -> Path:
        """Its devices."""
        return self.directory / DEVICE

    @property
    def disk(self) -> Path:
        """What it had written to its disk, if it has one."""
        return self.directory / DISK

    @property
    def placement(self) -> Placement:
        """Where its kernel is. Raises VmLost if that was not noted."""
        try:
            noted = json.loads(self._placement.read_text())
            # An older note of a kernel at its linked address has no slide.
            offset = int(noted["load_offset"])
            return Placement(offset, int(noted["slide"]) if offset else 0)
        except (KeyError, TypeError, ValueError) as error:
            raise VmLost(f"{self._placement} does not say where the kernel is") from error

    def note_placement(self, placement: Placement) -> None:
        """Note where its kernel is, before any attacker's code runs."""
        self._placement.write_text(json.dumps(placement._asdict()) + "\n")

    @property
    def _placement(self) -> Path:
        return self.directory / "placement.json"
