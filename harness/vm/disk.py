# SPDX-License-Identifier: GPL-2.0-only
"""A machine's disk: a read-only base, and a layer with the machine's writes, removed with it.

The writes up to a saved state are in a layer between the two, which is read-only as well. The
host never mounts a file system of the disk.
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
"""Name of the writable layer in a machine's directory, and of the saved layer in a state's."""


_FIRST_SET = 2
"""Number of QEMU's first fd set for disks; set 1 is the accelerator's (probe.py)."""


@dataclass(frozen=True)
class Disk:
    """The two files that each machine's disk is made from."""

    base: Path
    """A raw disk image, which is only read."""
    empty: Path
    """An empty qcow2 file of the same size, copied as the writable layer of each machine."""

    def lay_out(self, directory: Path) -> Path:
        """Copy an empty writable layer into a machine's directory. Raises OSError."""
        return Path(shutil.copyfile(self.empty, directory / DISK))

    def arguments(self, stack: ExitStack, saved: Path | None = None) -> DiskArguments:
        """Return QEMU's arguments for the disk and the descriptors they name.

        `stack` closes the descriptors. QEMU gets descriptors because its user may have no
        permission for the files. `saved` is the layer of a saved state. Raises OSError.
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
    """Return the arguments that open one layer, with the layer `below` as its backing file."""
    # No locks are needed: a layer is read by any number of machines, or written by one.
    file = f"file.driver=file,file.locking=off,file.filename={path}"
    parts = [f"driver={driver}", f"node-name={name}", file]
    if below:
        parts.append(f"backing={below}")
    parts.append(f"read-only={'on' if fixed else 'off'}")
    return ["-blockdev", ",".join(parts)]
