# SPDX-License-Identifier: GPL-2.0-only
"""The self-test of March 2023, as posted: requests of 4 bytes, replies of 128 KiB, reloads."""

from __future__ import annotations

from errno import ETIMEDOUT
from random import Random
from typing import TYPE_CHECKING

import pytest
from machine_fixtures import STARVED_SECONDS
from published_selftest import patch

from harness.kernel.choice.kernel_choice import KernelChoice
from harness.lab.lab import Lab
from harness.vm.cpu_use import cpu_use

if TYPE_CHECKING:
    from pathlib import Path

    from sample import Sample

    from harness.vm.machine import Machine

REQUESTS, RELOAD = 500, 50
"""As the posted script has it: this many requests, and the loader removed after each 50th."""


@pytest.fixture(scope="module", params=["6.12", "6.1"])
def line(request: pytest.FixtureRequest) -> str:
    """The kernel line."""
    return str(request.param)


@pytest.fixture(scope="module")
def lab(archive: Path, line: str, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Our series with the posted code in place of our sample."""
    posted = patch(archive, tmp_path_factory.mktemp("posted"))
    choice = KernelChoice(line, patches=posted, with_library=True)
    return Lab.open(line, ["baseline", "isolated"], progress=print, choice=choice)


def is_late(sample: Sample, machine: Machine, offset: int) -> bool:
    """Send a request; return whether the host made its reply late: QEMU had to wait for a CPU."""
    waited = cpu_use(machine.pid).waited
    try:
        sample.write(str(offset))
    except OSError as error:
        starved = cpu_use(machine.pid).waited - waited >= STARVED_SECONDS
        if error.errno != ETIMEDOUT or not starved:
            raise
        return True
    return False


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("variant", ["baseline", "isolated"])
def test_the_posted_self_test_passes(sample: Sample, machine: Machine) -> None:
    """On `isolated` as well: a manager asks for isolation, and the posted manager does not."""
    random = Random(1)  # noqa: S311 - the same offsets each time
    for number in range(REQUESTS):
        offset = random.randrange(128) * 1024
        while is_late(sample, machine, offset):
            pass
        if number % RELOAD == 0:
            sample.unload()
            assert not sample.loaded
    assert "Started sample_umh" in sample.log, "the posted handler says so, and ours does not"
