# SPDX-License-Identifier: GPL-2.0-only
"""Guests of the rivals that the harness refuses: their policy is not enforced, or not loaded."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from harness.attacker import Attacker, Channel
from harness.host.errors import VmLost
from harness.vm.machine import Machine
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.lab.lab import Lab
    from harness.vm.spec import MachineSpec


@contextmanager
def booted(
    lab: Lab, spec: MachineSpec, *, seconds: float
) -> Iterator[tuple[Machine, Witness, Attacker]]:
    """A booted guest with a handler, whether or not its policy is enforced."""
    with Machine.boot(spec, lab.accelerator) as machine:
        witness = Witness(machine, lab.image)
        witness.appear(seconds=seconds)
        witness.wait(lambda t: t.count.right > 0, seconds=seconds, what="right reply")
        with Channel(machine.agent_socket(), attempt_seconds=seconds) as channel:
            yield machine, witness, Attacker(channel, lab.guest)


def console_without_handler(lab: Lab, spec: MachineSpec, *, seconds: float) -> str:
    """The console of a guest in which no handler ever answers."""
    with Machine.boot(spec, lab.accelerator) as machine:
        witness = Witness(machine, lab.image)
        witness.appear(seconds=seconds)
        with pytest.raises(VmLost):
            witness.wait(lambda t: t.count.right > 0, seconds=seconds, what="right reply")
    return machine.console()
