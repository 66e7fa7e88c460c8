# SPDX-License-Identifier: GPL-2.0-only
"""The same attack comes to the same verdict however its machine was booted, cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from engine_cells import Engines, compared

from harness.engines import ENGINES, MICROVM

if TYPE_CHECKING:
    from harness.model.cell import Cell

# A boot for each cell, on a busy host, and at the first one a kernel build.
pytestmark = pytest.mark.timeout(3600)

OTHERS = sorted(ENGINES.keys() - {MICROVM.name})


@pytest.fixture(scope="session")
def engines() -> Engines:
    """The labs, opened when first asked for."""
    return Engines()


@pytest.mark.parametrize("cell", compared())
@pytest.mark.parametrize("engine", OTHERS)
def test_the_verdict_is_that_of_the_default_engine(
    engines: Engines, engine: str, cell: Cell
) -> None:
    engines.compare(engine, cell)
