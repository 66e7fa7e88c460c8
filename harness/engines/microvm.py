# SPDX-License-Identifier: GPL-2.0-only
"""The default engine `microvm`: the guest image is the whole userspace; machines are saved."""

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
    """The guest shares no directory with the host, and runs no programs but the guest image's."""

    name: str = "microvm"
    saves: bool = True
    shell: tuple[str, ...] = (
        *("/bin/busybox", "sh", "-c"),
        "/bin/busybox --install -s /bin; exec setsid -c /bin/sh",
    )
    command: tuple[str, ...] = (
        *("/bin/busybox", "sh", "-c"),
        '/bin/busybox --install -s /bin; exec "$@"',
        "sh",
    )
    reached_by: str = ""
    has_disk: bool = False
    policies: frozenset[str] = frozenset(
        {"selinux", "smack", "apparmor", "yama", "lockdown", "bpf"}
    )

    def check(self) -> None:
        """Do nothing: the modules that use a program check for it."""

    def make(self, *, progress: Callable[[str], None]) -> None:
        """Do nothing: the machines boot only kernel and guest image."""

    def spec(
        self, plain: MachineSpec, kernel: KernelImage, guest: GuestImage, *, interactive: bool
    ) -> MachineSpec:
        """Return the plain machine; with `interactive`, its init starts a shell."""
        del kernel, guest
        return replace(plain, cmdline=f"{plain.cmdline} umd.shell") if interactive else plain

    def prepare(self, machine: Machine, attacker: Attacker) -> None:
        """Do nothing: the guest is ready when its agent answers."""
