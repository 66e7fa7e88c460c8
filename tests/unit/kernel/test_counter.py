# SPDX-License-Identifier: GPL-2.0-only
"""The progress of a build: a total that a whole build has counted, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hand_clock import HandClock

from harness.kernel.build import counter as counting
from harness.kernel.build.counter import ObjectCounter
from harness.kernel.build.make import MadeTarget

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    clock = HandClock()
    monkeypatch.setattr(counting, "time", clock)
    return clock


def build(
    clock: HandClock,
    note: Path,
    objects: int,
    *,
    config: str = "c",
    from_nothing: bool = True,
    from_copy: bool = False,
    ends: bool = True,
) -> list[str]:
    """Compile, a second for each object, then link for 100 s; return what was said."""
    said: list[str] = []
    counter = ObjectCounter(
        note, config, from_nothing=from_nothing, from_copy=from_copy, progress=said.append
    )
    for number in range(objects):
        clock.now += 1
        counter.follow(MadeTarget("CC", f"{number}.o"))
    if ends:
        counter.follow(MadeTarget("LD", "vmlinux"))
        clock.now += 100
        counter.finish()
    return said


def test_the_first_build_has_an_estimate_that_does_not_grow(
    clock: HandClock, tmp_path: Path
) -> None:
    said = build(clock, tmp_path / "note", 2101)
    assert said[0] == "kernel: 1 of about 2000 objects, CC 0.o"
    assert said[999] == "kernel: 1000 of about 2000 objects, about 18 min left, CC 999.o"
    assert {text.split(" of ")[1].split()[1] for text in said[:2000]} == {"2000"}
    assert said[2000] == "kernel: 2001 objects, CC 2000.o"
    assert said[-1] == "kernel: 2101 objects, LD vmlinux"


def test_the_copy_for_a_flavour_has_a_total_of_its_own(clock: HandClock, tmp_path: Path) -> None:
    build(clock, tmp_path / "note", 200)

    def copy(objects: int) -> str:
        said = build(clock, tmp_path / "note", objects, from_nothing=False, from_copy=True)
        return said[-1]

    assert copy(40) == "kernel: 40 objects, LD vmlinux"
    assert "40 of 40 objects" in copy(40)
    assert "200 of 200 objects" in build(clock, tmp_path / "note", 200)[-1]
    copy(0)
    assert copy(0) == "kernel: 0 of 0 objects, LD vmlinux"


def test_the_next_one_counts_towards_the_same_total_throughout(
    clock: HandClock, tmp_path: Path
) -> None:
    build(clock, tmp_path / "note", 200)
    said = build(clock, tmp_path / "note", 200)
    assert all(f"{number} of 200 objects" in text for number, text in enumerate(said[:-1], start=1))
    assert "left" not in said[0], "one object does not tell the pace"
    assert said[99] == "kernel: 100 of 200 objects, about 3 min left, CC 99.o"
    assert said[-1] == "kernel: 200 of 200 objects, about 2 min left, LD vmlinux"


def test_more_objects_than_last_time_take_the_total_away(clock: HandClock, tmp_path: Path) -> None:
    build(clock, tmp_path / "note", 100)
    said = build(clock, tmp_path / "note", 101)
    assert "100 of 100 objects" in said[99]
    assert said[100] == "kernel: 101 objects, CC 100.o"
    assert "101 of 101 objects" in build(clock, tmp_path / "note", 101)[-1]


def test_another_configuration_has_another_total(clock: HandClock, tmp_path: Path) -> None:
    build(clock, tmp_path / "note", 100)
    assert "of about 2000" in build(clock, tmp_path / "note", 50, config="other")[-1]
    assert "100 of 100" in build(clock, tmp_path / "note", 100)[-1]


def test_a_build_of_what_changed_says_no_total_and_does_not_count(
    clock: HandClock, tmp_path: Path
) -> None:
    build(clock, tmp_path / "note", 100)
    said = build(clock, tmp_path / "note", 3, from_nothing=False)
    assert said[-1] == "kernel: 3 objects, LD vmlinux"
    assert "100 of 100" in build(clock, tmp_path / "note", 100)[-1]


def test_a_build_that_does_not_end_does_not_count(clock: HandClock, tmp_path: Path) -> None:
    build(clock, tmp_path / "note", 100)
    build(clock, tmp_path / "note", 70, ends=False)
    assert "100 of 100" in build(clock, tmp_path / "note", 100)[-1]


@pytest.mark.parametrize("content", ["1823", "{", '{"c": {"objects": "many"}}'])
def test_a_note_of_another_kind_is_no_total(clock: HandClock, tmp_path: Path, content: str) -> None:
    (tmp_path / "note").write_text(content)
    assert "5 of about 2000" in build(clock, tmp_path / "note", 5)[-1]
    assert "5 of 5" in build(clock, tmp_path / "note", 5)[-1]
