# SPDX-License-Identifier: GPL-2.0-only
"""A saved state: the files of a paused machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.host.errors import VmLost
from harness.vm.disk import DISK

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
    def placement(self) -> Path:
        """What was noted before any attacker's code ran: where its kernel was loaded."""
        return self.directory / "placement.json"

    @property
    def load_offset(self) -> int:
        """Its machine's `load_offset`. Raises VmLost if that was not noted."""
        try:
            return int(json.loads(self.placement.read_text())["load_offset"])
        except (KeyError, TypeError, ValueError) as error:
            raise VmLost(f"{self.placement} does not say where the kernel is") from error
