# SPDX-License-Identifier: GPL-2.0-only
"""The default engine: the guest image is all of the userspace, and a booted machine is saved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker
    from harness.guests.initramfs import GuestImage
    from harness.kernel.build.images import KernelImage
    from harness.vm.machine import Machine
    from harness.vm.spec import MachineSpec


@dataclass(frozen=True)
class Microvm:
    """No directory of the host is shared, and no other program runs in the guest."""

    name: str = "microvm"
    saves: bool = True
    shell: tuple[str, ...] = (
        *("/bin/busybox", "sh", "-c"),
        "/bin/busybox --install -s /bin; exec setsid -c /bin/sh",
    )
    reached_by: str = ""
    has_disk: bool = False
    policies: frozenset[str] = frozenset({"selinux", "smack"})

    def check(self) -> None:
        """Whatever it takes is looked for where it is used."""

    def make(self, *, progress: Callable[[str], None]) -> None:
        """Nothing but the guest image is booted."""

    def spec(
        self, plain: MachineSpec, kernel: KernelImage, guest: GuestImage, *, interactive: bool
    ) -> MachineSpec:
        """Return the machine as it is."""
        del kernel, guest
        return replace(plain, cmdline=f"{plain.cmdline} umd.shell") if interactive else plain

    def prepare(self, machine: Machine, attacker: Attacker) -> None:
        """Nothing is left to do."""
