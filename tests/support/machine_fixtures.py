# SPDX-License-Identifier: GPL-2.0-only
"""The fixtures of a test that runs a guest: the real kernel line, and a fresh machine of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from late_replies import Failures
from sample import SELFTEST, Sample

from harness.attacker import Attacker, Channel
from harness.lab.lab import Lab
from harness.witness.reader import Witness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.lab.images import BootImages
    from harness.vm.machine import Machine

ATTEMPT_SECONDS = 900.0
"""A test may drive its guest for longer than an attack: it waits for kernel deadlines, and makes
hundreds of requests on a busy host."""
_FAULT = re.compile("^.*(?:WARNING:|BUG:|Oops|Call Trace).*$", re.MULTILINE)
"""Linux 6.1 warns of its workqueues at each boot."""


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The images of the shipped kernel line, built if the cache lacks them."""
    return Lab.open("6.12", progress=lambda _: None)


@pytest.fixture
def variant() -> str:
    """The variant under test. Modules and parametrized tests override it."""
    return "baseline"


@pytest.fixture
def images(lab: Lab, variant: str) -> BootImages:
    """The images that `machine` boots."""
    return lab.images(variant)


@pytest.fixture
def machine(lab: Lab, variant: str) -> Iterator[Machine]:
    """A guest of `variant` from its saved state, running."""
    with lab.machine(variant) as machine:
        yield machine


@pytest.fixture
def witness(images: BootImages, machine: Machine) -> Witness:
    """The witness of `machine`."""
    return Witness(machine, images.kernel)


@pytest.fixture
def attacker(images: BootImages, machine: Machine) -> Iterator[Attacker]:
    """Root in `machine`."""
    seconds = {"reply_seconds": ATTEMPT_SECONDS, "attempt_seconds": ATTEMPT_SECONDS}
    with Channel(machine.agent_socket(), **seconds) as channel:
        yield Attacker(channel, images.guest)


@pytest.fixture
def failures(machine: Machine, witness: Witness) -> Failures:
    """The requests of the witness that fail during the test."""
    return Failures(machine, witness.read())


@pytest.fixture
def sample(
    attacker: Attacker, machine: Machine, witness: Witness, failures: Failures
) -> Iterator[Sample]:
    """The sample with only its manager loaded. The test fails if the kernel gets tainted.

    It fails as well if the witness's own requests do, unless a busy host made them late.
    """
    taint = witness.taint()
    sample = Sample(attacker, machine)
    known = _FAULT.findall(sample.log)
    yield sample
    assert witness.taint() == taint, machine.console()
    assert _FAULT.findall(sample.log) == known
    right = witness.read().count.right
    tally = witness.wait(lambda t: t.count.right > right, seconds=60, what="further right reply")
    assert tally.count.wrong == 0
    assert failures.others(tally) == 0


@pytest.fixture
def selftest(sample: Sample, attacker: Attacker, machine: Machine) -> Sample:
    """The driver that takes messages of any length; the sample's own fixture checks the kernel."""
    assert not sample.started
    return Sample(attacker, machine, SELFTEST)
