# SPDX-License-Identifier: GPL-2.0-only
"""The real kernel line, and a fresh machine of it for every test."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from sample import Sample

from harness.attacker import Attacker, Channel
from harness.lab import Lab
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.vm.machine import Machine

ATTEMPT_SECONDS = 300.0
"""A test may drive its guest for longer than an attack: it waits for kernel deadlines."""


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The images of the shipped kernel line, built if need be."""
    return Lab.open("6.12", progress=lambda _: None)


@pytest.fixture
def machine(lab: Lab) -> Iterator[Machine]:
    """A baseline guest from the saved state, running."""
    with lab._machine("baseline", fresh=False) as machine:
        yield machine


@pytest.fixture
def witness(lab: Lab, machine: Machine) -> Witness:
    """The witness of `machine`."""
    return Witness(machine, lab.image)


@pytest.fixture
def attacker(lab: Lab, machine: Machine) -> Iterator[Attacker]:
    """Root in `machine`."""
    with Channel(machine.agent_socket(), attempt_seconds=ATTEMPT_SECONDS) as channel:
        yield Attacker(channel, lab.guest)


@pytest.fixture
def sample(attacker: Attacker, machine: Machine, witness: Witness) -> Iterator[Sample]:
    """The sample, with nothing but its manager loaded. The kernel must stay without complaint."""
    taint = witness.taint()
    sample = Sample(attacker)
    yield sample
    assert witness.taint() == taint, machine.console()
    assert not re.findall("WARNING:|BUG:|Oops|Call Trace", sample.log)
    right = witness.read().count.right
    tally = witness.wait(lambda t: t.count.right > right, seconds=10, what="further right reply")
    assert (tally.count.wrong, tally.count.failed) == (0, 0)
