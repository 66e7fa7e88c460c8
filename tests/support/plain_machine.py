# SPDX-License-Identifier: GPL-2.0-only
"""The specification of a default engine's machine; its files need not exist."""

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
