# SPDX-License-Identifier: GPL-2.0-only
"""A machine as the default engine boots it, of files that need not be there."""

from __future__ import annotations

from pathlib import Path

from harness.vm.spec import MachineSpec

PLAIN = MachineSpec(
    name="6.12-isolated",
    kernel=Path("bzImage"),
    kernel_key="k",
    initramfs=Path("initramfs.cpio"),
    guest_key="g",
    cmdline="umd_isolation=on",
)
