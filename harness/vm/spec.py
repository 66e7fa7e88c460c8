# SPDX-License-Identifier: GPL-2.0-only
"""What a machine is made of, and the QEMU command line that makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.vm.qemu import QEMU

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.vm.disk import Disk
    from harness.vm.machine import Machine
    from harness.vm.stream import Stream

CMDLINE = "console=ttyS0 panic=-1 quiet numa=fake=2 no_timer_check"
"""panic=-1: a panic ends QEMU. Two nodes, or no page could be moved from one to the other. The
timer is not checked, which a busy host would not let tick in time: the kernel would panic."""

SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

MACHINE = (
    *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
    *("-sandbox", SANDBOX),
    *("-machine", "q35,memory-backend=ram,usb=off,vmport=off,graphics=off,smm=off"),
    # No fifth level of page tables: the host walks four (paging.py).
    *("-cpu", "max,la57=off", "-nic", "none"),
    *("-device", "vmgenid,guid=auto", "-device", "vmcoreinfo"),
    *("-device", "virtio-serial-pci"),
    *("-device", "virtserialport,chardev=agent,name=umd.agent"),
    *("-mon", "chardev=qmp,mode=control", "-gdb", "chardev:gdb"),
    *("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"),
)
"""vmcoreinfo: the kernel says at boot where it is, and what debuggers have to know of it.

q35, not microvm: only q35 comes back from a saved state (measured with QEMU 10.0)."""


@dataclass(frozen=True)
class MachineSpec:
    """One machine. `kernel_key` and `guest_key` stand for what the files contain.

    An engine may add QEMU arguments (`devices`), `files` that are copied into the machine's
    directory under the given names, a `disk`, and host directories that QEMU may read (`readable`)
    or whose names it may list, down to the last (`listable`). Where the agent is not at the virtio
    port, `connect` gives the stream to it.

    Without `kaslr`, which is the default, a boot is like any other, and root, who attacks here,
    could read the addresses anyway.
    """

    name: str
    kernel: Path
    kernel_key: str
    initramfs: Path
    guest_key: str
    cmdline: str
    memory_mib: int = 256
    cpus: int = 1
    kaslr: bool = False
    devices: tuple[str, ...] = ()
    files: tuple[tuple[str, Path], ...] = ()
    readable: tuple[Path, ...] = ()
    listable: tuple[Path, ...] = ()
    connect: Callable[[Machine], Stream] | None = None
    disk: Disk | None = None

    def arguments(self) -> list[str]:
        """QEMU's arguments, all but its accelerator, RAM, kernel and sockets."""
        # As threads of one core: that is what core scheduling is about.
        size = ["-m", f"{self.memory_mib}M", "-smp", f"{self.cpus},threads={self.cpus}"]
        return [QEMU, *MACHINE, *size, *self.devices]

    def reach(self) -> list[str]:
        """What of the host's directories QEMU may open, as setpriv's rules for Landlock."""
        return [
            *(f"path-beneath:read-file,read-dir:{path}" for path in self.readable),
            *(f"path-beneath:read-dir:{path}" for path in self.listable),
        ]

    @property
    def append(self) -> str:
        """The kernel's command line."""
        return f"{CMDLINE} {'' if self.kaslr else 'nokaslr '}{self.cmdline}"
