# SPDX-License-Identifier: GPL-2.0-only
"""The file of figures: whole or as it was before, and a bad place is told of at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from harness.host.errors import UserError
from harness.host.paths import CHECKOUT
from harness.results.bench_figures import read_figures
from harness.results.records import json_line
from harness.results.run_header import Provenance
from harness.studies.bench import CellTimes
from harness.studies.figures import write_figures
from harness.studies.round_trip import Pair, RoundTrip

if TYPE_CHECKING:
    from pathlib import Path

TRIP = RoundTrip((Pair((200,) * 40, (206,) * 40),) * 6)
FACTS = Provenance(image="01")
CELL = CellTimes("6.12-isolated-nothing", saved=(0.25, 0.5), fresh=(1.5, 1.5))


def test_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_figures(path, line="6.12", facts=FACTS, round_trip=TRIP, cells=[CELL], cut=None)
    assert json.loads(path.read_text()) == {
        "schema": 1,
        "line": "6.12",
        "facts": json.loads(json_line(FACTS)),
        "round_trip": json.loads(json_line(TRIP.figures())),
        "cells": [
            {
                "name": "6.12-isolated-nothing",
                "saved_seconds": [0.25, 0.5],
                "fresh_seconds": [1.5, 1.5],
                "ratio": 0.25,
            }
        ],
    }


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text("before")
    with pytest.raises(TypeError):
        write_figures(
            path, line="6.12", facts=Provenance(choice=object()), round_trip=TRIP, cut=None
        )
    assert [(left, left.read_text()) for left in tmp_path.iterdir()] == [(path, "before")]


def test_the_figures_come_back(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_figures(path, line="6.12", facts=FACTS, round_trip=TRIP, cells=[CELL], cut=None)
    kept = read_figures(path)
    assert (kept.line, kept.facts, kept.round_trip) == ("6.12", FACTS, TRIP.figures())
    assert kept.cells == (CELL.figures(),)
    write_figures(path, line="6.12", facts=FACTS, round_trip=TRIP, cut=None)
    assert read_figures(path).cells is msgspec.UNSET


def test_figures_that_do_not_decode_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_figures(path, line="6.12", facts=FACTS, round_trip=TRIP, cut=None)
    text = path.read_text()
    for old, new, message in (
        ('"schema": 1', '"schema": 2', "schema 2, and this version reads 1"),
        ('"limit"', '"limits"', "is damaged: Object .*field"),
        ('"line": "6.12"', '"line": 6.12', r"is damaged: Expected `str`.* `\$\.line`"),
    ):
        assert old in text
        path.write_text(text.replace(old, new))
        with pytest.raises(UserError, match=message):
            read_figures(path)


def test_the_figures_of_the_pages_are_of_whole_studies() -> None:
    kept = {
        path.name: json.loads(path.read_text()) for path in (CHECKOUT / "docs/figures").iterdir()
    }
    assert kept
    assert not [name for name, figures in kept.items() if "cut_short" in figures]
