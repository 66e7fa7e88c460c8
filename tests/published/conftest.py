# SPDX-License-Identifier: GPL-2.0-only
"""Kernels with our library and what was posted in March 2023 on top: manager, loader, handler."""

from __future__ import annotations

from pathlib import Path

import pytest
from machine_fixtures import attacker, images, machine, sample, variant, witness
from published_mail import patch

from harness.kernel.choice.kernel_choice import KernelChoice
from harness.lab.lab import Lab

__all__ = ["attacker", "images", "machine", "sample", "variant", "witness"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--archive",
        type=Path,
        help="a public-inbox archive of the list linux-kselftest, of 2023: a git repository",
    )


def pytest_configure(config: pytest.Config) -> None:
    is_asked_for = any("published" in word for word in config.invocation_params.args)
    if is_asked_for and config.getoption("archive") is None:
        raise pytest.UsageError(
            "--archive is missing; name a public-inbox archive of linux-kselftest of 2023"
        )


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave these tests out of a run of all tests."""
    return None if config.getoption("archive") else True


@pytest.fixture(scope="session")
def archive(request: pytest.FixtureRequest) -> Path:
    """The archive that the command line names."""
    return Path(request.config.getoption("archive"))


@pytest.fixture(scope="session", params=["6.12", "6.1"])
def line(request: pytest.FixtureRequest) -> str:
    """The kernel line."""
    return str(request.param)


@pytest.fixture(scope="session")
def lab(archive: Path, line: str, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Our series with the posted code in place of our sample."""
    posted = patch(archive, tmp_path_factory.mktemp("posted"))
    choice = KernelChoice(line, patches=posted, with_library=True)
    return Lab.open(line, ["baseline", "isolated"], progress=print, choice=choice)
