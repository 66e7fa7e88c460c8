# SPDX-License-Identifier: GPL-2.0-only
"""Machines for the tests of harness/vm, with a separate cache, without witness and handler."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from harness.attacker import Attacker, Channel
from harness.vm.machine import Machine
from harness.vm.spec import MachineSpec
from harness.vm.states import saved_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.kernel.build.images import KernelImage
    from harness.lab.lab import Lab
    from harness.vm.probe import Accelerator
    from harness.vm.saved_state import SavedState

BOOT_SECONDS = 120.0


@dataclass(frozen=True)
class Machines:
    """Creates machines of one specification; `cache` is the folder of their cache."""

    lab: Lab
    spec: MachineSpec
    cache: Path

    @property
    def image(self) -> KernelImage:
        """Their kernel."""
        return self.lab.image

    @property
    def accelerator(self) -> Accelerator:
        """Their accelerator."""
        return self.lab.accelerator

    @contextmanager
    def boot(self) -> Iterator[Machine]:
        """A machine that has just started to boot."""
        with Machine.boot(self.spec, self.accelerator) as machine:
            yield machine

    @contextmanager
    def restore(self) -> Iterator[Machine]:
        """A machine restored from the state in which its agent has answered once."""
        with Machine.restore(self.spec, self.accelerator, self.state()) as machine:
            yield machine

    def state(self) -> SavedState:
        """The saved state, created by the first call."""
        return saved_state(self.spec, self.accelerator, ready=self.wait_for_agent)

    @contextmanager
    def attacker(self, machine: Machine, *, seconds: float = 60.0) -> Iterator[Attacker]:
        """Root in `machine`."""
        with Channel(
            machine.agent_socket(), reply_seconds=seconds, attempt_seconds=BOOT_SECONDS
        ) as channel:
            yield Attacker(channel, self.lab.guest)

    def wait_for_agent(self, machine: Machine) -> None:
        """Wait until the guest's agent answers."""
        with self.attacker(machine, seconds=BOOT_SECONDS) as attacker:
            attacker.getpid()

    def left(self) -> list[Path]:
        """The existing work directories."""
        return list((self.cache / "machines").glob("*/"))


@pytest.fixture
def machines(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Machines:
    """Machines whose state is created once in a test run."""
    cache = tmp_path_factory.getbasetemp() / "machines-cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    spec = MachineSpec(
        name="test",
        kernel=lab.image.bzimage,
        kernel_key=lab.image.key,
        initramfs=lab.guest.initramfs,
        guest_key=lab.guest.key,
        cmdline="loglevel=7 umd_isolation=off umd_witness.kthread=1",
    )
    return Machines(lab, spec, cache / "umd-harness")
