# SPDX-License-Identifier: GPL-2.0-only
"""The engine `image`: a Debian system on a disk, whose agent is reached over SSH.

systemd, sshd and libraries are Debian's; the kernel and its modules are those under test. sshd
starts the agent, and the SSH session carries the agent's byte stream.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

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
"""Deadline of a guest's first SSH session; systemd starts sshd after the handler is warm."""

AGENT = "/usr/lib/umd/agent"
TOOLS = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "qemu-img": "qemu-utils"}
"""The tools that create the disk image, and their Debian packages."""

_NEEDED = ("EXT4_FS", "VIRTIO_BLK", "VIRTIO_NET")

_CMDLINE = (
    # The network card keeps the name eth0 that the initramfs configured.
    "net.ifnames=0",
    # All restored machines share an id; without any, systemd performs a slow first boot.
    "systemd.machine_id=756d642d6861726e6573732d67756573",
    "systemd.getty_auto=0 systemd.ssh_auto=0 systemd.condition_needs_update=0",
    # Idle udev workers in a saved state are the OOM killer's first victims, one a second.
    "udev.children_max=1",
)


@dataclass(frozen=True)
class Image:
    """The guest shares nothing with the host. A booted machine is saved together with its disk."""

    name: str = "image"
    saves: bool = True
    shell: tuple[str, ...] = ("/usr/bin/setsid", "-c", "/bin/bash", "-l")
    command: tuple[str, ...] = ("/bin/sh", "-c", 'exec "$@"', "sh")
    reached_by: str = "sshd"
    has_disk: bool = True
    policies: frozenset[str] = frozenset({"selinux", "smack"})

    def check(self) -> None:
        """Raise UserError if a tool that creates the disk is missing."""
        for tool, package in TOOLS.items():
            if shutil.which(tool) is None:
                raise UserError(f"{tool} is not installed", hint=f"apt-get install {package}")

    def make(self, *, progress: Callable[[str], None]) -> None:
        """Create the disk unless the cache has it. Raises UserError."""
        debian_image(progress=progress)

    def spec(
        self, plain: MachineSpec, kernel: KernelImage, guest: GuestImage, *, interactive: bool
    ) -> MachineSpec:
        """Return the machine that boots from the disk. Raises UserError."""
        if lacking := [name for name in _NEEDED if name not in kernel.options]:
            raise UserError(
                f"--engine image needs a kernel with {', '.join(lacking)}",
                hint="set the options with --config FRAGMENT",
            )
        from harness.engines.debian_boot import debian_boot  # loads paramiko, which is slow

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
        """Do nothing: sshd starts last, so the guest is ready when it answers."""


def _agent(login: Login, port: int) -> SshStream:
    """Start a new agent in a new SSH session. Raises VmLost."""
    from harness.engines.ssh import open_stream

    command = f"cd / && echo 0 >/proc/self/oom_score_adj && exec {AGENT}"
    return open_stream(port, login, command, seconds=LOGIN_SECONDS)


def _silent(_: str) -> None:
    """Ignore the progress: `make` has created the disk already."""
