# SPDX-License-Identifier: GPL-2.0-only
"""The corpus, one test per scenario, variant and kernel line: `pytest -m scenario`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from harness.model.cell import Cell
    from harness.pytest_plugin.session import ScenarioSession


def test_scenario(
    scenario_cell: Cell, scenario_results: ScenarioSession, request: pytest.FixtureRequest
) -> None:
    """The cell comes out as its scenario says; its control and references ran, once."""
    scenario_results.check(scenario_cell, request.session)
