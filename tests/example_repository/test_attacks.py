# SPDX-License-Identifier: GPL-2.0-only
"""Every attack on the variants of `pyproject.toml`, and what is tested by hand."""

from __future__ import annotations

from os import O_RDWR
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.model.verdict import Verdict

if TYPE_CHECKING:
    from harness.lab.by_hand import GuestMaker
    from harness.model.cell import Cell
    from harness.pytest_plugin.session import ScenarioSession

OVERWRITE = Path(__file__).with_name("overwrite.c")


def test_scenario(
    scenario_cell: Cell, scenario_results: ScenarioSession, request: pytest.FixtureRequest
) -> None:
    """The cell comes out as its scenario says."""
    scenario_results.check(scenario_cell, request.session)


def test_memory_is_closed_where_it_should_be(umd_guest: GuestMaker) -> None:
    """Root opens the handler's memory on one variant, and not on the other."""
    open_one, closed_one = umd_guest("baseline"), umd_guest("isolated")
    open_one.attacker.open(f"/proc/{open_one.handler.pid}/mem", O_RDWR).close()
    with pytest.raises(OSError, match="openat"):
        closed_one.attacker.open(f"/proc/{closed_one.handler.pid}/mem", O_RDWR)
    assert closed_one.conclude().verdict is Verdict.HELD


def test_the_witness_sees_what_a_program_does(umd_guest: GuestMaker) -> None:
    """The kernel takes wrong replies after the program, and none before."""
    guest = umd_guest("baseline")
    right = guest.witness.read().count.right
    guest.witness.wait(lambda t: t.count.right > right, seconds=10, what="right reply")
    assert guest.witness.read().count.wrong == 0
    assert guest.run(OVERWRITE).status == 0
    concluded = guest.conclude()
    assert (concluded.verdict, concluded.axes.integrity) == (Verdict.TAMPERED, True)
