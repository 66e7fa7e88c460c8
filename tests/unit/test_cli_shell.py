# SPDX-License-Identifier: GPL-2.0-only
"""The command line of the machine that `shell` boots."""

from __future__ import annotations

from pathlib import Path

from harness.shell import qemu_arguments
from harness.vm.spec import MachineSpec


def test_the_console_is_the_terminal_and_ctrl_a_x_ends_a_guest_that_hangs() -> None:
    spec = MachineSpec(
        name="6.12-isolated",
        kernel=Path("bzImage"),
        kernel_key="k",
        initramfs=Path("initramfs"),
        guest_key="g",
        cmdline="umd_isolation=on umd.shell",
    )
    arguments = qemu_arguments(spec)
    chardevs = [arguments[place + 1] for place, word in enumerate(arguments) if word == "-chardev"]
    assert [one for one in chardevs if one.startswith("stdio")] == [
        "stdio,id=console,signal=off,mux=on"
    ]
    assert {"null,id=qmp", "null,id=gdb", "null,id=agent"} < set(chardevs)
    assert "chardev=console,mode=readline" in arguments
    assert arguments[-2] == "-append"
    assert arguments[-1].endswith(" umd_isolation=on umd.shell")
