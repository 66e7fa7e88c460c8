# SPDX-License-Identifier: GPL-2.0-only
"""A machine's disk: a base that is only read, and what the machine writes, which goes with it.

What was written until a state was saved lies in a layer of its own, between the two, and is only
read from then on. No file system on it is ever mounted on the host.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import ExitStack

DiskArguments = tuple[list[str], tuple[int, ...]]
"""QEMU's arguments for a disk, and the descriptors that they name."""
NO_DISK: DiskArguments = ([], ())

DISK = "disk"
"""The layer that is written, in the machine's directory; the saved layer, in a state's."""


_FIRST_SET = 2
"""QEMU's name for a descriptor is a number; 1 is the accelerator's (probe.py)."""


@dataclass(frozen=True)
class Disk:
    """`base` is a raw disk; `empty` a qcow2 file of its size in which nothing is written."""

    base: Path
    empty: Path

    def lay_out(self, directory: Path) -> Path:
        """Put the layer that is written into a machine's directory. Raises OSError."""
        return Path(shutil.copyfile(self.empty, directory / DISK))

    def arguments(self, stack: ExitStack, saved: Path | None = None) -> DiskArguments:
        """Return QEMU's arguments and the descriptors it takes, which `stack` closes.

        By descriptors, because QEMU's user may have no way to the files. `saved` is a state's
        layer. Raises OSError.
        """
        layers = [("raw", self.base), *([("qcow2", saved)] if saved else [])]
        arguments: list[str] = []
        fds: list[int] = []
        below = ""
        for number, (driver, path) in enumerate(layers, _FIRST_SET):
            fd = stack.enter_context(path.open("rb")).fileno()
            fds.append(fd)
            arguments += ["-add-fd", f"fd={fd},set={number}"]
            arguments += _node(driver, f"layer{number}", f"/dev/fdset/{number}", below, fixed=True)
            below = f"layer{number}"
        arguments += _node("qcow2", DISK, DISK, below)
        return [*arguments, "-device", f"virtio-blk-pci,drive={DISK}"], tuple(fds)


def _node(driver: str, name: str, path: str, below: str, *, fixed: bool = False) -> list[str]:
    """Return the arguments that open one layer, upon the one called `below`."""
    # No locks: each layer is read by any number of machines, or written by one.
    file = f"file.driver=file,file.locking=off,file.filename={path}"
    parts = [f"driver={driver}", f"node-name={name}", file]
    if below:
        parts.append(f"backing={below}")
    parts.append(f"read-only={'on' if fixed else 'off'}")
    return ["-blockdev", ",".join(parts)]
