# SPDX-License-Identifier: GPL-2.0-only
"""The files that a machine boots from, copied into the directory that its QEMU runs in."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from harness.vm.demotion import give_to_qemu

if TYPE_CHECKING:
    from harness.vm.spec import MachineSpec

KERNEL = "kernel"
INITRD = "initrd"


def copy_boot_files(directory: Path, spec: MachineSpec) -> None:
    """Copy kernel, initramfs, other files and the disk's layer into QEMU's directory.

    They are copies because QEMU's user may have no permission to read the originals. Raises
    OSError.
    """
    if spec.disk:
        give_to_qemu(spec.disk.lay_out(directory))
    for name, source in ((KERNEL, spec.kernel), (INITRD, spec.initramfs), *spec.files):
        folders = [directory / folder for folder in reversed(Path(name).parents)]
        for folder in folders[1:]:
            folder.mkdir(exist_ok=True)
            give_to_qemu(folder)
        give_to_qemu(Path(shutil.copy(source, directory / name)))
