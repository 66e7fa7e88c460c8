# SPDX-License-Identifier: GPL-2.0-only
"""Checks before a boot that a machine has enough memory for its initramfs and disk for its state.

Retries cannot repair a lack of either, so the user is told before time is spent on a boot.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.host.errors import FREE_SPACE, UserError, VmLost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.vm.spec import MachineSpec

_MIB = 1 << 20
_KERNEL_MIB = 96
"""Memory that the kernel and its processes need besides the initramfs."""
_LAST_MIB = 8
"""A disk with less free space counts as full: guest memory is written in larger pieces."""


def check_room(spec: MachineSpec, disk: Path) -> None:
    """Raise UserError if the machine cannot boot, or if `disk` is too full for its state."""
    for path in (spec.kernel, spec.initramfs):
        if not path.is_file() or not path.stat().st_size:
            raise UserError(
                f"{path} is missing or empty: the cache is damaged",
                hint="empty it with `umd-harness clean --all`; the next command builds it again",
            )
    # The archive and what is unpacked from it are in memory at the same time.
    initramfs = spec.initramfs.stat().st_size // _MIB
    needed = 2 * initramfs + _KERNEL_MIB
    if needed > spec.memory_mib:
        raise UserError(
            f"the initramfs {spec.initramfs} ({initramfs} MiB) is too large for a machine with "
            f"{spec.memory_mib} MiB: it needs {needed}",
            hint="remove files from the initramfs, or give the machine more memory",
        )
    free = shutil.disk_usage(disk).free // _MIB
    if free < spec.memory_mib:
        raise UserError(
            f"the saved state of {spec.name} may need {spec.memory_mib} MiB at {disk}, "
            f"and {free} MiB are free",
            hint=FREE_SPACE,
        )


@contextmanager
def full_disk_told(disk: Path) -> Iterator[None]:
    """Raise UserError in place of VmLost if `disk`, which holds the guest's memory, is full.

    QEMU itself only dies of SIGBUS then.
    """
    try:
        yield
    except VmLost as lost:
        if shutil.disk_usage(disk).free < _LAST_MIB * _MIB:
            raise UserError(f"the disk of {disk} is full: {lost}", hint=FREE_SPACE) from lost
        raise
