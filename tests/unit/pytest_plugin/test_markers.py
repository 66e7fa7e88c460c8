# SPDX-License-Identifier: GPL-2.0-only
"""The markers of the tests of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from small_corpus import CELLS, NAMES, POLICIES, SMALL

from harness.model.verdict import Effect

if TYPE_CHECKING:
    from plugin_session import Session

pytest_plugins = ["pytester", "plugin_session"]

PLAIN = """
def test_plain(scenario_cell, scenario_results, request):
    scenario_results.check(scenario_cell, request.session)

def test_other():
    pass
"""


def test_markers_select_cells_exactly(session: Session) -> None:
    chosen = {
        "scenario": [(variant, name) for variant in POLICIES for name in NAMES],
        "scenario and isolated": [("isolated", name) for name in NAMES],
        "isolated-debug": [("isolated-debug", name) for name in NAMES],
        "confidentiality and kthread": [("kthread", "process_vm_readv")],
        "not scenario": [],
        "not scenario and isolated": [],
    }
    said = session.collect(*(("--strict-markers", "-m", words) for words in chosen))
    for one, (expression, cells) in zip(said, chosen.items(), strict=True):
        found = [f"6.12-{variant}-{name}" for variant, name in cells]
        assert (expression, one.cells) == (expression, found)
        assert (one.status == pytest.ExitCode.OK) == bool(cells), expression


def test_every_effect_selects_its_cells(session: Session) -> None:
    effects = [effect.value for effect in Effect]
    said = session.collect(*(("-m", f"baseline and {effect}") for effect in effects))
    for effect, one in zip(Effect, said, strict=True):
        names = [name for name in NAMES if effect in SMALL.scenarios[name].effects]
        assert one.cells == [f"6.12-baseline-{name}" for name in names]


def test_a_test_of_ones_own_needs_no_marker_to_be_selected(session: Session) -> None:
    session.pytester.makepyfile(test_scenarios="", test_mine=PLAIN)
    listed = session.run("--strict-markers", "--collect-only", "-q", "-m", "scenario").outlines
    assert len([line for line in listed if "test_mine.py::test_plain[" in line]) == CELLS
    assert not [line for line in listed if "test_other" in line]


def test_pytest_lists_the_markers(session: Session) -> None:
    listed = session.run("--markers").outlines
    for name in ("scenario", *POLICIES, *(effect.value for effect in Effect)):
        assert len([line for line in listed if line.startswith(f"@pytest.mark.{name}:")]) == 1
