# SPDX-License-Identifier: GPL-2.0-only
"""What holds for all tests."""

from __future__ import annotations

import pytest
from hypothesis import settings

from harness.kernel.series.lines import DEFAULT_LINE

# A busy host makes any example slow.
settings.register_profile("any host", deadline=None)
settings.load_profile("any host")


@pytest.fixture(scope="session")
def kernel_line(pytestconfig: pytest.Config) -> str:
    """The kernel line of --umd-line."""
    return pytestconfig.getoption("umd_line", default=None) or DEFAULT_LINE
