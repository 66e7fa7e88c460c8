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
    """What differs between the ways to boot: the machine, and what is to be done once it is up.

    The witness, the scenarios and the verdicts know nothing of it. Several threads use one.
    """

    @property
    def name(self) -> str:
        """What the command line calls it."""

    @property
    def saves(self) -> bool:
        """Whether its machines are saved once they are up; else each cell boots its own."""

    @property
    def shell(self) -> tuple[str, ...]:
        """The guest's command, by its path, for a root shell on the terminal it is given."""

    @property
    def reached_by(self) -> str:
        """The program in the guest that the agent is reached by; empty if there is none."""

    @property
    def has_disk(self) -> bool:
        """Whether its guests have a file system on a disk, which root may write."""

    @property
    def policies(self) -> frozenset[str]:
        """The security modules whose policies its guests load before there is a handler."""

    def check(self) -> None:
        """Raise UserError if this host lacks what it takes, before anything is built."""

    def make(self, *, progress: Callable[[str], None]) -> None:
        """Make what all its machines boot beside the kernel, if it is not there. Raises UserError.

        It may take minutes.
        """

    def spec(
        self, plain: MachineSpec, kernel: KernelImage, guest: GuestImage, *, interactive: bool
    ) -> MachineSpec:
        """Return its machine, from the one that boots the guest image itself.

        With `interactive` it has a root shell on its console, from its boot on, in place of the
        agent. What it needs is made now if it is not in the cache. Raises UserError.
        """

    def prepare(self, machine: Machine, attacker: Attacker) -> None:
        """Make the booted guest ready, before any attack and before it is saved.

        Raises UserError where it refuses this machine, VmLost where the machine is no good.
        """
