# SPDX-License-Identifier: GPL-2.0-only
"""Kernels with our library and what was posted as its users in 2023."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine_fixtures import attacker, images, machine, sample, variant, witness

__all__ = ["attacker", "images", "machine", "sample", "variant", "witness"]


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
    """Raise UsageError if a test needs the archive, and the command line names none."""
    if config.getoption("archive"):
        return
    if any("archive" in getattr(item, "fixturenames", ()) for item in items):
        raise pytest.UsageError(
            "--archive is missing; name a public-inbox archive of linux-kselftest of 2023"
        )


@pytest.fixture(scope="session")
def archive(request: pytest.FixtureRequest) -> Path:
    """The archive that the command line names."""
    return Path(request.config.getoption("archive"))
