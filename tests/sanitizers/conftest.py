# SPDX-License-Identifier: GPL-2.0-only
"""Machines whose kernel has the kernel's sanitizers."""

from __future__ import annotations

from pathlib import Path

import pytest
from cells import cells
from machine_fixtures import attacker, images, machine, variant, witness

from harness.host.paths import KERNEL_PATCHES
from harness.kernel.choice.kernel_choice import KernelChoice
from harness.lab.lab import Lab

__all__ = ["attacker", "cells", "images", "machine", "variant", "witness"]

LINE = "6.12"
SANITIZERS = KERNEL_PATCHES / "config" / "sanitize.config"
VARIANTS = ("baseline", "isolated", "kthread")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cycles", type=int, default=100, help="how often a handler is killed and started again"
    )


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The shipped series on a kernel with the sanitizers."""
    choice = KernelChoice(LINE, fragments=(SANITIZERS,))
    return Lab.open(LINE, VARIANTS, progress=print, choice=choice)


@pytest.fixture
def module_source() -> Path:
    """The C file with the planted defects."""
    return Path(__file__).parent / "planted.c"
