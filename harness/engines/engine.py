# SPDX-License-Identifier: GPL-2.0-only
"""An engine: a way to boot a kernel image into a guest that the same scenarios attack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.attacker import Attacker
    from harness.guests.initramfs import GuestImage
    from harness.kernel.build.images import KernelImage
    from harness.vm.machine import Machine
    from harness.vm.spec import MachineSpec


class Engine(Protocol):
    """A way to boot: it defines the machine, and prepares the booted guest.

    Witness, scenarios and verdicts do not depend on the engine. Several threads share one engine.
    """

    @property
    def name(self) -> str:
        """Its name on the command line."""

    @property
    def saves(self) -> bool:
        """Whether a booted machine is saved and restored for each cell; else each cell boots."""

    @property
    def shell(self) -> tuple[str, ...]:
        """The command in the guest that starts a root shell on its standard input and output."""

    @property
    def command(self) -> tuple[str, ...]:
        """The words in the guest before those of a command, which is looked up in PATH."""

    @property
    def reached_by(self) -> str:
        """The guest's program through which the agent is reached, such as sshd; empty if none."""

    @property
    def has_disk(self) -> bool:
        """Whether its guests have a file system on a disk that root can write."""

    @property
    def policies(self) -> frozenset[str]:
        """The security modules whose policies its guests load before the handler starts."""

    def check(self) -> None:
        """Raise UserError if the host lacks a program that the engine needs."""

    def make(self, *, progress: Callable[[str], None]) -> None:
        """Create the files that all its machines share, unless the cache has them.

        This may take minutes; `progress` is told what is being done. Raises UserError.
        """

    def spec(
        self, plain: MachineSpec, kernel: KernelImage, guest: GuestImage, *, interactive: bool
    ) -> MachineSpec:
        """Return the engine's machine, derived from `plain`, which boots the guest image alone.

        With `interactive`, the guest runs a root shell on its console in place of the agent. Files
        that the machine needs are created if the cache lacks them. Raises UserError.
        """

    def prepare(self, machine: Machine, attacker: Attacker) -> None:
        """Prepare the booted guest, before it is saved and before any attack.

        Raises UserError if the engine refuses this host's machine, VmLost if the machine fails.
        """
