# SPDX-License-Identifier: GPL-2.0-only
"""The self-test of March 2023, as posted: requests of 4 bytes, replies of 128 KiB, reloads."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from published_lab import published_lab
from published_selftest import patch

if TYPE_CHECKING:
    from pathlib import Path

    from sample import Sample

    from harness.lab.lab import Lab

REQUESTS, RELOAD = 500, 50
"""As the posted script has it: this many requests, and the loader removed after each 50th."""


@pytest.fixture(scope="module", params=["6.12", "6.1"])
def line(request: pytest.FixtureRequest) -> str:
    """The kernel line."""
    return str(request.param)


@pytest.fixture(scope="module")
def lab(archive: Path, line: str, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Our series with the posted code in place of our sample."""
    return published_lab(line, patch(archive, tmp_path_factory.mktemp("posted")))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("variant", ["baseline", "isolated"])
def test_the_posted_self_test_passes(sample: Sample) -> None:
    """On `isolated` as well: a manager asks for isolation, and the posted manager does not."""
    random = Random(1)  # noqa: S311 - the same offsets each time
    for number in range(REQUESTS):
        sample.write(str(random.randrange(128) * 1024))
        if number % RELOAD == 0:
            sample.unload()
            assert not sample.loaded
    assert "Started sample_umh" in sample.log, "the posted handler says so, and ours does not"
