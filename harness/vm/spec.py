# SPDX-License-Identifier: GPL-2.0-only
"""The specification of a machine, and the QEMU command line for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.vm.qemu import QEMU

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.vm.disk import Disk
    from harness.vm.kernel_watch import KernelCode
    from harness.vm.stream import Stream

CMDLINE = "console=ttyS0 panic=-1 quiet numa=fake=2 no_timer_check"
"""panic=-1: a panic reboots, which ends QEMU (-no-reboot). numa=fake=2: page migration needs two
memory nodes. no_timer_check: on a busy host the timer ticks too late for the kernel's check, which
would panic."""

WITHOUT_STRINGS = "clearcpuid=rep_good"
"""QEMU counts each repetition of a string instruction. So memcpy() and memset() of the kernel use
none if the machine counts instructions."""

CPU = "max,la57=off,erms=off,fsrm=off,fsrs=off"
"""la57=off: no fifth level of page tables, because the host walks four (paging.py). With the other
features, the kernel's functions copy and clear by byte, which takes TCG longer."""

SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

MACHINE = (
    *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
    *("-sandbox", SANDBOX),
    *("-machine", "q35,memory-backend=ram,usb=off,vmport=off,graphics=off,smm=off"),
    *("-cpu", CPU, "-nic", "none"),
    *("-device", "vmgenid,guid=auto", "-device", "vmcoreinfo"),
    *("-device", "virtio-serial-pci"),
    *("-device", "virtserialport,chardev=agent,name=umd.agent"),
    *("-mon", "chardev=qmp,mode=control", "-gdb", "chardev:gdb"),
    *("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"),
)
"""vmcoreinfo: at boot the kernel exports its load offset, and data that debuggers need.

q35, not microvm: only q35 can be restored from a saved state (measured with QEMU 10.0)."""


@dataclass(frozen=True)
class MachineSpec:
    """One machine. An engine adds to it what the engine's guests need."""

    name: str
    """Kernel line and variant, such as `6.12-isolated`; saved states are kept under it."""
    kernel: Path
    """The kernel image that boots."""
    kernel_key: str
    """A hash of all that the kernel image was built from."""
    initramfs: Path
    """The initramfs that boots."""
    guest_key: str
    """A hash of all that the initramfs, and the disk, were built from."""
    cmdline: str
    """The kernel's parameters besides `CMDLINE`."""
    settings: str = ""
    """What is set in the guest before its state is saved: another setting is another state."""
    memory_mib: int = 256
    """The guest's memory in MiB."""
    cpus: int = 1
    """The number of CPUs."""
    counts: bool = False
    """Whether the guest's clock counts instructions: to the guest, each takes a nanosecond.

    An idle guest does not wait: its clock jumps to its next timer. Needs TCG."""
    kaslr: bool = False
    """Whether the kernel chooses a random load address.

    The default is no, so that all boots are alike. Addresses are no secret here: the attacker is
    root, and can read them."""
    devices: tuple[str, ...] = ()
    """QEMU arguments for further devices."""
    files: tuple[tuple[str, Path], ...] = ()
    """Files to copy into the machine's directory: the name there, and the original."""
    readable: tuple[Path, ...] = ()
    """Host directories in which QEMU may read files."""
    listable: tuple[Path, ...] = ()
    """Host directories in which, and below which, QEMU may list names."""
    connect: Callable[[int], Stream] | None = None
    """Opens the stream to the agent through a forwarded port; None: the virtio port."""
    disk: Disk | None = None
    """The guest's disk."""
    watched: KernelCode | None = None
    """The guest's kernel, for QEMU to watch; None: QEMU does not watch."""

    def arguments(self) -> list[str]:
        """Return QEMU's arguments, without those for accelerator, RAM, kernel and sockets."""
        # Threads of one core, because core scheduling needs siblings.
        size = ["-m", f"{self.memory_mib}M", "-smp", f"{self.cpus},threads={self.cpus}"]
        counted = ["-icount", "shift=0,sleep=off"] if self.counts else []
        return [QEMU, *MACHINE, *size, *counted, *self.devices]

    def reach(self) -> list[str]:
        """Return the Landlock rules, in setpriv's syntax, for the host's directories."""
        return [
            *(f"path-beneath:read-file,read-dir:{path}" for path in self.readable),
            *(f"path-beneath:read-dir:{path}" for path in self.listable),
        ]

    @property
    def append(self) -> str:
        """The kernel's command line."""
        own = [*(["nokaslr"] * (not self.kaslr)), *([WITHOUT_STRINGS] * self.counts)]
        return " ".join([CMDLINE, *own, self.cmdline])
