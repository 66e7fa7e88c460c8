# SPDX-License-Identifier: GPL-2.0-only
"""The engine for those who want to see it on a distribution: a real Debian, reached over SSH.

Its systemd, sshd and libraries are Debian's; the kernel and its modules are those under test. The
agent is a program that sshd starts, and speaks its byte stream over the session.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from harness.engines.debian_boot import debian_boot
from harness.engines.ssh import open_stream
from harness.guests.debian import debian_image
from harness.host.errors import UserError
from harness.vm.disk import Disk
from harness.vm.forwarding import card

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker
    from harness.engines.ssh import Login, SshStream
    from harness.guests.initramfs import GuestImage
    from harness.kernel.build.images import KernelImage
    from harness.vm.machine import Machine
    from harness.vm.spec import MachineSpec

MEMORY_MIB = 256
SSH_PORT = 22
LOGIN_SECONDS = 120.0
"""How long a guest may take to its first session; systemd starts sshd after the handler warms."""

AGENT = "/usr/lib/umd/agent"
TOOLS = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "qemu-img": "qemu-utils"}
"""What the image is made with, and Debian's packages of it."""

_NEEDED = ("EXT4_FS", "VIRTIO_BLK", "VIRTIO_NET")

_CMDLINE = (
    # A card is eth0, as the initramfs left it.
    "net.ifnames=0",
    # A saved machine is one machine; without an id its first boot would be a long one.
    "systemd.machine_id=756d642d6861726e6573732d67756573",
    "systemd.getty_auto=0 systemd.ssh_auto=0 systemd.condition_needs_update=0",
    # A machine saved with a dozen of them idle has the OOM killer take these first, a second each.
    "udev.children_max=1",
)


@dataclass(frozen=True)
class Image:
    """Nothing of the host is shared; a booted machine is saved, its disk with it."""

    name: str = "image"
    saves: bool = True
    shell: tuple[str, ...] = ("/usr/bin/setsid", "-c", "/bin/bash", "-l")
    reached_by: str = "sshd"
    has_disk: bool = True
    policies: frozenset[str] = frozenset({"selinux", "smack"})

    def check(self) -> None:
        """Raise UserError without the tools that the disk is made with."""
        for tool, package in TOOLS.items():
            if shutil.which(tool) is None:
                raise UserError(f"{tool} is not installed", hint=f"apt-get install {package}")

    def make(self, *, progress: Callable[[str], None]) -> None:
        """Find or make the disk. Raises UserError."""
        debian_image(progress=progress)

    def spec(
        self, plain: MachineSpec, kernel: KernelImage, guest: GuestImage, *, interactive: bool
    ) -> MachineSpec:
        """Return the machine that boots from the disk. Raises UserError."""
        if lacking := [name for name in _NEEDED if name not in kernel.options]:
            raise UserError(
                f"--engine image takes a kernel with {', '.join(lacking)}",
                hint="configure it so: --config FRAGMENT",
            )
        debian = debian_image(progress=_silent)
        boot = debian_boot(guest)
        made_from = f"{guest.key} {debian.key} {boot.key}"
        shell = ["umd.shell"] * interactive
        return replace(
            plain,
            initramfs=boot.initramfs,
            guest_key=hashlib.sha256(made_from.encode()).hexdigest()[:32],
            cmdline=" ".join([plain.cmdline, *_CMDLINE, *shell]),
            memory_mib=MEMORY_MIB,
            devices=card(SSH_PORT),
            disk=Disk(debian.base, debian.empty),
            connect=partial(_agent, boot.login),
        )

    def prepare(self, machine: Machine, attacker: Attacker) -> None:
        """Nothing is left to do: sshd starts last."""


def _agent(login: Login, machine: Machine) -> SshStream:
    """Start an agent of its own in a session of its own. Raises VmLost."""
    command = f"cd / && echo 0 >/proc/self/oom_score_adj && exec {AGENT}"
    return open_stream(machine.forwarded_port(), login, command, seconds=LOGIN_SECONDS)


def _silent(_: str) -> None:
    """Say nothing: `make` has made it already."""
