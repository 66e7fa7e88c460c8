# SPDX-License-Identifier: GPL-2.0-only
"""Kernels with our library and what was posted as its users in 2023."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine_fixtures import attacker, failures, images, machine, sample, variant, witness

__all__ = ["attacker", "failures", "images", "machine", "sample", "variant", "witness"]

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--archive",
        type=Path,
        help="a public-inbox archive of the list linux-kselftest, of 2023: a git repository",
    )


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave these tests out of a run of all tests."""
    is_asked_for = any("published" in word for word in config.invocation_params.args)
    return None if is_asked_for else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Raise UsageError if a test of this folder needs the archive, and none is named."""
    if config.getoption("archive"):
        return
    ours = [item for item in items if item.path.is_relative_to(HERE)]
    if any("archive" in getattr(item, "fixturenames", ()) for item in ours):
        raise pytest.UsageError(
            "--archive is missing; name a public-inbox archive of linux-kselftest of 2023"
        )


@pytest.fixture(scope="session")
def archive(request: pytest.FixtureRequest) -> Path:
    """The archive that the command line names."""
    return Path(request.config.getoption("archive"))
